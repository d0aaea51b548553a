package interop

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"
)

// userHeader is the header by which the recipes tell the application who it is.
const userHeader = "Remote-User"

// application is what stands behind a server, on the port that its recipe names:
// it answers with the headers that it was given.
func application(t *testing.T, port int) {
	t.Helper()
	serve(t, port, echo)
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.Header)
}

// serve answers on a port of 127.0.0.1 until the test ends.
func serve(t *testing.T, port int, handler http.HandlerFunc) {
	t.Helper()
	awaitFree(t, port)
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}
