package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	pb "singletree.example/client/gen/singletree/v1"
)

// What a case says: the members that it has.
type expected struct {
	ResumeAfter       int               `json:"resumeAfter"`
	Instructions      string            `json:"instructions"`
	Code              string            `json:"code"`
	Reason            string            `json:"reason"`
	Domain            string            `json:"domain"`
	Metadata          map[string]string `json:"metadata"`
	TimeoutMs         int64             `json:"timeoutMs"`
	AtMostMs          int64             `json:"atMostMs"`
	InstructionsBytes int               `json:"instructionsBytes"`
}

// A daemon that does not answer is a failure, not a driver that hangs.
const patience = 60 * time.Second

var checks = map[string]func(client, target, expected) error{
	"unary": unary, "stream": stream, "error": refused, "deadline": deadline, "cancel": cancelled, "oversize": oversize,
}

func unary(tasks client, target target, _ expected) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	task, err := tasks.getTask(ctx, &pb.GetTaskRequest{TaskId: target.FinishedTask})
	if err != nil {
		return err
	}
	if task.Id != target.FinishedTask || task.State != pb.TaskState_TASK_STATE_COMPLETED {
		return fmt.Errorf("GetTask gives %s, %s", task.Id, task.State)
	}
	return nil
}

func stream(tasks client, target target, want expected) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var events []*pb.TaskEvent
	take := func(message *pb.WatchTaskResponse) { events = append(events, message.Events...) }
	_ = tasks.watch(ctx, &pb.WatchTaskRequest{TaskId: target.FinishedTask}, func(message *pb.WatchTaskResponse) bool {
		take(message)
		return len(events) < want.ResumeAfter
	})
	if len(events) < want.ResumeAfter {
		return fmt.Errorf("only %d events", len(events))
	}
	events = events[:want.ResumeAfter]
	request := &pb.WatchTaskRequest{TaskId: target.FinishedTask, AfterSequence: int64(want.ResumeAfter)}
	err := tasks.watch(ctx, request, func(message *pb.WatchTaskResponse) bool { take(message); return true })
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for index, event := range events {
		if event.Sequence != int64(index+1) {
			return fmt.Errorf("event %d has the sequence %d", index+1, event.Sequence)
		}
	}
	if last := events[len(events)-1]; last.Sequence != target.LastSequence || last.GetCompleted() == nil {
		return fmt.Errorf("the last event is %v", last)
	}
	return nil
}

func refused(tasks client, target target, want expected) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := tasks.createTask(ctx, &pb.CreateTaskRequest{Instructions: want.Instructions, Workspace: &pb.Workspace{Path: target.Workspace}})
	if err := hasCode(tasks, err, want.Code); err != nil {
		return err
	}
	_, details := tasks.refusal(err)
	if len(details) != 1 {
		return fmt.Errorf("it has %d details", len(details))
	}
	info, ok := details[0].(*errdetails.ErrorInfo)
	if !ok || info.Reason != want.Reason || info.Domain != want.Domain {
		return fmt.Errorf("the detail is %v", details[0])
	}
	for key, value := range want.Metadata {
		if info.Metadata[key] != value {
			return fmt.Errorf("the metadata are %v", info.Metadata)
		}
	}
	return nil
}

func deadline(tasks client, target target, want expected) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(want.TimeoutMs)*time.Millisecond)
	defer cancel()
	err := tasks.watch(ctx, &pb.WatchTaskRequest{TaskId: target.RunningTask}, func(*pb.WatchTaskResponse) bool { return true })
	took := time.Since(begin).Milliseconds()
	if took < want.TimeoutMs || took > want.AtMostMs {
		return fmt.Errorf("it ended after %d ms: %w", took, err)
	}
	return hasCode(tasks, err, want.Code)
}

func cancelled(tasks client, target target, want expected) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := tasks.watch(ctx, &pb.WatchTaskRequest{TaskId: target.RunningTask}, func(*pb.WatchTaskResponse) bool { return false })
	if err := hasCode(tasks, err, want.Code); err != nil {
		return err
	}
	return unary(tasks, target, want)
}

func oversize(tasks client, target target, want expected) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	instructions := strings.Repeat("x", want.InstructionsBytes)
	err := tasks.createTask(ctx, &pb.CreateTaskRequest{Instructions: instructions, Workspace: &pb.Workspace{Path: target.Workspace}})
	if err := hasCode(tasks, err, want.Code); err != nil {
		return err
	}
	return unary(tasks, target, want)
}

func hasCode(tasks client, err error, want string) error {
	if err == nil || errors.Is(err, io.EOF) {
		return errors.New("it was not refused")
	}
	number, _ := tasks.refusal(err)
	if seen := code.Code(number).String(); seen != want {
		return fmt.Errorf("the code is %s, not %s: %w", seen, want, err)
	}
	return nil
}
