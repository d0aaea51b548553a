package softcard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// maxControlAnswer bounds an answer: a full trace is below 200 kB.
const maxControlAnswer = 1 << 20

// Ask sends a request to a control socket. What the other side says went wrong
// is an error here.
func Ask(ctx context.Context, socketPath string, req ControlRequest) (ControlResponse, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socketPath)
	if err != nil {
		return ControlResponse{}, fmt.Errorf("reaching the software card: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return ControlResponse{}, fmt.Errorf("asking the software card: %w", err)
	}
	var resp ControlResponse
	if err := json.NewDecoder(io.LimitReader(conn, maxControlAnswer)).Decode(&resp); err != nil {
		return ControlResponse{}, fmt.Errorf("asking the software card: %w", err)
	}
	if resp.Error != "" {
		return resp, errors.New(resp.Error)
	}
	return resp, nil
}
