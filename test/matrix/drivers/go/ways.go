package main

import (
	"context"
	"net"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	pb "singletree.example/client/gen/singletree/v1"
	"singletree.example/client/gen/singletree/v1/singletreev1connect"
	"singletree.example/client/singletree"
)

// A way is a library, with the protocol and the transport that it is made to speak.
type way struct {
	client, protocol, transport string
	open                        func() (client, error)
}

// What the cases need of a library.
type client interface {
	getTask(context.Context, *pb.GetTaskRequest) (*pb.Task, error)
	createTask(context.Context, *pb.CreateTaskRequest) error
	// Calls take for each message until it says no; gives how the stream ended.
	watch(context.Context, *pb.WatchTaskRequest, func(*pb.WatchTaskResponse) bool) error
	// The code, by its number in google.rpc.Code, and all details.
	refusal(error) (code uint32, details []any)
	close()
}

func waysTo(target target) []way {
	prefix, two := target.Name, "h2c"
	if target.Name == "tls" {
		two = "h2"
	}
	// gRPC of grpc-go is HTTP/2 only; connect-go speaks all three protocols over whatever net/http speaks.
	ways := []way{{"grpc-go", "grpc", prefix + " " + two, func() (client, error) { return openGRPC(target.Daemon) }}}
	protocols := map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()}}
	for name, options := range protocols {
		for _, version := range []string{"h1", two} {
			open := func() (client, error) { return openConnect(target.Daemon, version, options) }
			ways = append(ways, way{"connect-go", name, prefix + " " + version, open})
		}
	}
	return ways
}

type grpcClient struct {
	channel *grpc.ClientConn
	tasks   pb.TaskServiceClient
}

func openGRPC(daemon singletree.Daemon) (client, error) {
	channel, err := singletree.Dial(daemon)
	if err != nil {
		return nil, err
	}
	return grpcClient{channel, pb.NewTaskServiceClient(channel)}, nil
}

func (c grpcClient) close() { c.channel.Close() }

func (c grpcClient) getTask(ctx context.Context, request *pb.GetTaskRequest) (*pb.Task, error) {
	answer, err := c.tasks.GetTask(ctx, request)
	return answer.GetTask(), err
}

func (c grpcClient) createTask(ctx context.Context, request *pb.CreateTaskRequest) error {
	_, err := c.tasks.CreateTask(ctx, request)
	return err
}

func (c grpcClient) watch(ctx context.Context, request *pb.WatchTaskRequest, take func(*pb.WatchTaskResponse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.tasks.WatchTask(ctx, request)
	for err == nil {
		var message *pb.WatchTaskResponse
		if message, err = stream.Recv(); err == nil && !take(message) {
			cancel()
		}
	}
	return err
}

func (c grpcClient) refusal(err error) (uint32, []any) {
	said := status.Convert(err)
	return uint32(said.Code()), said.Details()
}

type connectClient struct {
	http  *http.Transport
	tasks singletreev1connect.TaskServiceClient
}

func openConnect(daemon singletree.Daemon, version string, options []connect.ClientOption) (client, error) {
	config, err := singletree.TLSConfig(daemon)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, Protocols: protocolsOf(version)}
	base := daemon.Address
	if path, isSocket := strings.CutPrefix(daemon.Address, "unix:"); isSocket {
		base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
	if daemon.Token != "" {
		options = append(options[:len(options):len(options)], connect.WithInterceptors(bearer(daemon.Token)))
	}
	tasks := singletreev1connect.NewTaskServiceClient(&http.Client{Transport: transport}, base, options...)
	return connectClient{transport, tasks}, nil
}

func protocolsOf(version string) *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == "h1")
	protocols.SetHTTP2(version == "h2")
	protocols.SetUnencryptedHTTP2(version == "h2c")
	return protocols
}

func (c connectClient) close() { c.http.CloseIdleConnections() }

func (c connectClient) getTask(ctx context.Context, request *pb.GetTaskRequest) (*pb.Task, error) {
	answer, err := c.tasks.GetTask(ctx, connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	return answer.Msg.Task, nil
}

func (c connectClient) createTask(ctx context.Context, request *pb.CreateTaskRequest) error {
	_, err := c.tasks.CreateTask(ctx, connect.NewRequest(request))
	return err
}

func (c connectClient) watch(ctx context.Context, request *pb.WatchTaskRequest, take func(*pb.WatchTaskResponse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.tasks.WatchTask(ctx, connect.NewRequest(request))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		if !take(stream.Msg()) {
			cancel()
		}
	}
	return stream.Err()
}

func (c connectClient) refusal(err error) (uint32, []any) {
	var details []any
	if refused, ok := err.(*connect.Error); ok {
		for _, detail := range refused.Details() {
			if value, err := detail.Value(); err == nil {
				details = append(details, value)
			}
		}
	}
	return uint32(connect.CodeOf(err)), details
}

type bearer string

func (token bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		request.Header().Set("authorization", "Bearer "+string(token))
		return next(ctx, request)
	}
}

func (token bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		stream := next(ctx, spec)
		stream.RequestHeader().Set("authorization", "Bearer "+string(token))
		return stream
	}
}

func (bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
