package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	// headerTimeout and readTimeout end callers that send a byte now and then; a body of ours is a few MiB at most.
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	// writeTimeout is for the largest download over a slow line; a handler that streams longer moves its own deadline
	// with http.ResponseController.
	writeTimeout = 5 * time.Minute
	idleTimeout  = 2 * time.Minute
	// maxHeader bounds the header of one call, in bytes: ours are below 2 KiB.
	maxHeader = 64 << 10
	// graceTime is what calls in flight get to end when the service stops.
	graceTime = 10 * time.Second
)

// Serve listens on addr and serves handler until ctx ends; calls in flight then get ten seconds. bound is the address
// with the port that a 0 stood for. wait returns when everything has ended, with what went wrong; it must be called.
func Serve(ctx context.Context, addr string, handler http.Handler, log *slog.Logger) (bound string, wait func() error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", nil, explain(addr, err)
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // faults of callers: TLS to a plain port and the like
		// A call in flight outlives ctx for the time of grace.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	served, stopped := make(chan error, 1), make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	go func() { stopped <- stop(ctx, srv, served) }()
	return l.Addr().String(), func() error {
		err := <-stopped
		stopped <- err // for the next call of wait
		return err
	}, nil
}

// stop waits for ctx or for the server's own end, and ends the server.
func stop(ctx context.Context, srv *http.Server, served <-chan error) error {
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	err := srv.Shutdown(grace)
	if err != nil {
		err = fmt.Errorf("stop HTTP: calls were still running after %s and were cut off: %w", graceTime, errors.Join(err, srv.Close()))
	}
	<-served
	return err
}

// explain makes one line of why addr cannot be listened on: what, where, and what to do.
func explain(addr string, err error) error {
	what := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		what = "the port is in use by another process: stop that one, or choose another port"
	case errors.Is(err, syscall.EACCES):
		what = "not permitted: choose a port above 1023, or give the process the right to bind low ports"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		what = "no interface of this machine has that address: choose one that it has, 127.0.0.1 or 0.0.0.0"
	default:
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return fmt.Errorf("listen on %s: %s (%w)", addr, what, errnoOf(err))
}

// errnoOf is the system's error alone, without the words that repeat address and operation.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
