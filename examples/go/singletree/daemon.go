// Package singletree finds the daemon of this machine and follows tasks across broken connections.
package singletree

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Daemon says where a daemon is: Address is "unix:" and a path, "http://host:port" or "https://host:port".
type Daemon struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	CAFile  string `json:"ca_file"`
}

// Find goes by $SINGLETREE_ADDRESS, else by the address file that the daemon leaves in its state folder.
func Find() (Daemon, error) {
	folder, err := stateFolder()
	if err != nil {
		return Daemon{}, err
	}
	var left struct {
		Address   string `json:"address"`
		TCP       string `json:"tcp"`
		TokenFile string `json:"token_file"`
	}
	text, err := os.ReadFile(filepath.Join(folder, "address.json"))
	if err == nil {
		err = json.Unmarshal(text, &left)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Daemon{}, err
	}
	daemon := Daemon{os.Getenv("SINGLETREE_ADDRESS"), os.Getenv("SINGLETREE_TOKEN"), os.Getenv("SINGLETREE_CA_FILE")}
	if daemon.Address == "" {
		daemon.Address = left.Address
	}
	if daemon.Address == "" {
		return Daemon{}, fmt.Errorf("no daemon runs for the state folder %s: singletree up --detach", folder)
	}
	// Nobody but the daemon of this folder is shown its token; over the socket none is asked for.
	if daemon.Token == "" && left.TokenFile != "" && here(daemon.Address) == here(left.TCP) {
		token, err := os.ReadFile(left.TokenFile)
		if err != nil {
			return Daemon{}, err
		}
		daemon.Token = strings.TrimSpace(string(token))
	}
	return daemon, nil
}

func here(address string) string {
	return strings.Replace(address, "//localhost:", "//127.0.0.1:", 1)
}

func stateFolder() (string, error) {
	if given := os.Getenv("SINGLETREE_STATE"); given != "" {
		return given, nil
	}
	// The XDG specification has relative paths ignored.
	if home := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "singletree"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "singletree"), err
}
