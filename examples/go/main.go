// Runs one task to its end: go run . WORKSPACE INSTRUCTIONS [DURATION]. After that duration the task is cancelled.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	pb "singletree.example/client/gen/singletree/v1"
	"singletree.example/client/singletree"
)

func run(workspace, instructions string, limit time.Duration) (*pb.TaskCompletionEvent, error) {
	daemon, err := singletree.Find()
	if err != nil {
		return nil, err
	}
	channel, err := singletree.Dial(daemon)
	if err != nil {
		return nil, err
	}
	defer channel.Close()
	tasks := pb.NewTaskServiceClient(channel)

	soon, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	created, err := tasks.CreateTask(soon, &pb.CreateTaskRequest{
		RequestId:    rand.Text(),
		Instructions: instructions,
		Workspace:    &pb.Workspace{Path: workspace},
	})
	if err != nil {
		return nil, err
	}
	id := created.Task.Id
	fmt.Fprintln(os.Stderr, id)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	completion, err := singletree.Watch(ctx, tasks, id, report)
	if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Canceled {
		return completion, err
	}
	// The deadline was that of the watch: the task goes on until somebody stops it.
	soon, cancel = context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := tasks.CancelTask(soon, &pb.CancelTaskRequest{TaskId: id, Why: ptr("no longer needed")}); err != nil {
		return nil, err
	}
	return singletree.Watch(context.Background(), tasks, id, func(*pb.TaskEvent) {})
}

func report(event *pb.TaskEvent) {
	kind := event.ProtoReflect().WhichOneof(event.ProtoReflect().Descriptor().Oneofs().ByName("kind"))
	if kind == nil { // newer than this client
		return
	}
	fmt.Fprintln(os.Stderr, event.Sequence, kind.Name())
}

func ptr[T any](value T) *T { return &value }

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go run . WORKSPACE INSTRUCTIONS [DURATION]")
		os.Exit(64)
	}
	var limit time.Duration
	if len(os.Args) > 3 {
		var err error
		if limit, err = time.ParseDuration(os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(64)
		}
	}
	completion, err := run(os.Args[1], os.Args[2], limit)
	if err != nil {
		refused(err)
		os.Exit(2)
	}
	fmt.Println(protojson.MarshalOptions{UseProtoNames: true}.Format(completion))
	if completion.Outcome != pb.Outcome_OUTCOME_SUCCESS {
		os.Exit(1)
	}
}

func refused(err error) {
	info := singletree.ErrorInfo(err)
	if info == nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", info.Reason, status.Convert(err).Message())
	for key, value := range info.Metadata {
		fmt.Fprintf(os.Stderr, "  %s: %s\n", key, value)
	}
}
