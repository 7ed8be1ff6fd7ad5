// Package queuetest gives tests a real NATS server with JetStream, in this process.
package queuetest

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a server that a test may stop, wipe and start again on the same port.
type Server struct {
	tb   testing.TB
	opts server.Options
	run  *server.Server
}

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, opts: server.Options{
		ServerName: "queuetest", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: tb.TempDir(), DisableJetStreamBanner: true,
	}}
	s.Restart()
	tb.Cleanup(func() { s.Stop() })
	return s
}

// ready bounds a start on a loaded machine.
const ready = 30 * time.Second

// Restart starts a server that is stopped, on the port that it had.
func (s *Server) Restart() {
	s.tb.Helper()
	opts := s.opts // the server keeps the one it gets
	run, err := server.NewServer(&opts)
	if err != nil {
		s.tb.Fatalf("make nats server: %v", err)
	}
	run.Start()
	if !run.ReadyForConnections(ready) {
		s.tb.Fatal("nats server is not ready")
	}
	s.run = run
	s.opts.Port = run.Addr().(*net.TCPAddr).Port
}

// Stop ends the server; what it stored stays.
func (s *Server) Stop() {
	s.run.Shutdown()
	s.run.WaitForShutdown()
}

// Wipe removes what a stopped server stored.
func (s *Server) Wipe() {
	s.tb.Helper()
	if err := os.RemoveAll(filepath.Join(s.opts.StoreDir, server.JetStreamStoreDir)); err != nil {
		s.tb.Fatalf("wipe nats store: %v", err)
	}
}

// URL is where the server listens.
func (s *Server) URL() string { return s.run.ClientURL() }

// Connect is a connection for good, closed when the test ends.
func (s *Server) Connect() *nats.Conn {
	s.tb.Helper()
	nc, err := nats.Connect(s.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		s.tb.Fatalf("connect to nats: %v", err)
	}
	s.tb.Cleanup(nc.Close)
	return nc
}
