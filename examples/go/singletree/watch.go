package singletree

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "singletree.example/client/gen/singletree/v1"
)

// Watch gives the events of a task, each once and in order, and returns the completion event, which the last of them holds.
func Watch(ctx context.Context, tasks pb.TaskServiceClient, taskID string, seen func(*pb.TaskEvent)) (*pb.TaskCompletionEvent, error) {
	var after int64
	for {
		stream, err := tasks.WatchTask(ctx, &pb.WatchTaskRequest{TaskId: taskID, AfterSequence: after})
		for err == nil {
			var message *pb.WatchTaskResponse
			if message, err = stream.Recv(); err != nil {
				break
			}
			for _, event := range message.Events {
				after = event.Sequence
				seen(event)
				if completion := event.GetCompleted(); completion != nil {
					return completion, nil
				}
			}
		}
		// The daemon is gone or going: the next one has the same events.
		if code := status.Code(err); code != codes.Unavailable && code != codes.Aborted && !errors.Is(err, io.EOF) {
			return nil, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// ErrorInfo tells why the daemon refused. It is nil if the error is not the daemon's: no connection, a deadline.
func ErrorInfo(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}
