// Makes each case of the protocol matrix with grpc-go and connect-go. Settings as JSON on standard input; one line of JSON a cell on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"singletree.example/client/singletree"
)

type target struct {
	singletree.Daemon
	Name         string `json:"name"`
	Workspace    string `json:"workspace"`
	FinishedTask string `json:"finished_task"`
	LastSequence int64  `json:"last_sequence"`
	RunningTask  string `json:"running_task"`
}

type settings struct {
	Cases   map[string]expected `json:"cases"`
	Targets []target            `json:"targets"`
}

type cell struct {
	Client    string `json:"client"`
	Protocol  string `json:"protocol"`
	Transport string `json:"transport"`
	Case      string `json:"case"`
	OK        bool   `json:"ok"`
	Detail    string `json:"detail,omitempty"`
}

func main() {
	var given settings
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var all sync.WaitGroup
	cells := make(chan cell)
	for _, target := range given.Targets {
		for _, way := range waysTo(target) {
			for name, want := range given.Cases {
				all.Go(func() { cells <- try(way, target, name, want) })
			}
		}
	}
	go func() {
		all.Wait()
		close(cells)
	}()
	out := json.NewEncoder(os.Stdout)
	for cell := range cells {
		if err := out.Encode(cell); err != nil {
			os.Exit(2)
		}
	}
}

func try(way way, target target, name string, want expected) cell {
	made := cell{Client: way.client, Protocol: way.protocol, Transport: way.transport, Case: name}
	err := func() error {
		tasks, err := way.open()
		if err != nil {
			return err
		}
		defer tasks.close()
		check, ok := checks[name]
		if !ok {
			return fmt.Errorf("this driver does not know the case")
		}
		return check(tasks, target, want)
	}()
	made.OK = err == nil
	if err != nil {
		made.Detail = err.Error()
	}
	return made
}
