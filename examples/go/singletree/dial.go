package singletree

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Dial makes a channel to the daemon; it connects at the first call.
func Dial(daemon Daemon) (*grpc.ClientConn, error) {
	// A daemon that is started again is back in a second; grpc would look after it every two minutes in the end.
	wait := backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}
	options := []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: 5 * time.Second}),
		// A machine that is switched off says no word.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second}),
	}
	target, transport := daemon.Address, insecure.NewCredentials()
	if !strings.HasPrefix(daemon.Address, "unix:") {
		at, err := url.Parse(daemon.Address)
		if err != nil {
			return nil, err
		}
		target = at.Host
		if at.Scheme == "https" {
			config, err := TLSConfig(daemon)
			if err != nil {
				return nil, err
			}
			transport = credentials.NewTLS(config)
		} else if name := at.Hostname(); name != "127.0.0.1" && name != "localhost" && name != "::1" {
			return nil, fmt.Errorf("%s would be sent the token in the clear: https, or a tunnel", daemon.Address)
		}
		if daemon.Token != "" {
			options = append(options, grpc.WithPerRPCCredentials(bearer(daemon.Token)))
		}
	}
	return grpc.NewClient(target, append(options, grpc.WithTransportCredentials(transport))...)
}

// TLSConfig trusts the system's authorities, or the daemon's own where it has one.
func TLSConfig(daemon Daemon) (*tls.Config, error) {
	if daemon.CAFile == "" {
		return &tls.Config{}, nil
	}
	pem, err := os.ReadFile(daemon.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", daemon.CAFile)
	}
	return &tls.Config{RootCAs: pool}, nil
}

type bearer string

func (token bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(token)}, nil
}

// Dial takes plain HTTP for this machine only.
func (bearer) RequireTransportSecurity() bool { return false }
