package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"signet/internal/exit"
	"signet/internal/problem"
)

// An operatorClient is a command's way to the operator's handler: through the
// socket of the server that runs, or, where none does, on the store itself.
type operatorClient struct {
	http  *http.Client
	close func() error
}

// dialOperator finds the way. Between a server's opening of its store and of its
// socket neither is there, so it tries a little while before it gives up.
func dialOperator(c *cli.Context) (*operatorClient, error) {
	conf, err := config(c)
	if err != nil {
		// A server that runs goes by the configuration that it read before: a
		// mistake in the file since must not keep anyone from revoking.
		if socket := filepath.Join(filepath.Dir(configPath(c)), socketName); answers(socket) {
			return socketClient(socket), nil
		}
		return nil, err
	}
	var locked error
	for range 20 {
		if answers(conf.socket()) {
			return socketClient(conf.socket()), nil
		}
		local, err := localClient(c.Context, conf)
		if !isLocked(err) {
			return local, err
		}
		locked = err
		time.Sleep(100 * time.Millisecond)
	}
	return nil, exit.With(exit.Unreachable, locked,
		"A server has the store but doesn't answer on "+conf.socket()+".")
}

// answers reports whether a server listens at the socket; one that is left from
// a killed server refuses.
func answers(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EAGAIN)
	}
	conn.Close()
	return true
}

func socketClient(socket string) *operatorClient {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	return &operatorClient{http: &http.Client{Transport: t}, close: func() error { t.CloseIdleConnections(); return nil }}
}

// localClient opens the store for this command alone.
func localClient(ctx context.Context, conf *Config) (*operatorClient, error) {
	o, err := openOperator(ctx, conf)
	if err != nil {
		return nil, err
	}
	return &operatorClient{http: &http.Client{Transport: inProcess{asLogin(ownLogin(), o.Handler())}}, close: o.store.Close}, nil
}

// call does one operation: in and out are its JSON objects.
func (oc *operatorClient) call(ctx context.Context, name string, in, out any) error {
	body, err := oc.post(ctx, name, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// post does one operation and returns the body of its answer.
func (oc *operatorClient) post(ctx context.Context, name string, in any) (io.ReadCloser, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://signetd/op/"+name, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	resp, err := oc.http.Do(r)
	if err != nil {
		return nil, reachError(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, refusalOf(resp)
	}
	return resp.Body, nil
}

func reachError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return exit.With(exit.Denied, err, "Only the account that the server runs as, and root, may give operator's commands.")
	}
	return exit.With(exit.Unreachable, err, "Look at the server's log, and give the command again.")
}

// refusalOf makes an error with its exit code of a problem document.
func refusalOf(resp *http.Response) error {
	var p problem.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxOperation)).Decode(&p); err != nil {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	code := exit.Failed
	switch resp.StatusCode {
	case http.StatusBadRequest:
		code = exit.Usage
	case http.StatusForbidden, http.StatusConflict:
		code = exit.Denied
	case http.StatusNotFound:
		code = exit.NotFound
	}
	return exit.With(code, &p, p.Hint)
}
