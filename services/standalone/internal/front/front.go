// Package front is the one listener of a standalone Plimsoll: /hooks/<registry id> goes to the scheduler, all else to the
// reporter, as a cluster's ingress does.
package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"syscall"
	"time"
)

// Targets are the parts behind the listener, host:port on loopback.
type Targets struct{ Scheduler, Reporter string }

// Listen binds address, which the user gives with flag; the error of a taken port says what to do.
func Listen(ctx context.Context, flag, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen %s: the address is in use: stop what listens there or give %s another port (127.0.0.1:0 picks a free one)", address, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w: give %s an address of this machine", address, err, flag)
	}
	return l, nil
}

// Serve forwards until ctx ends.
func Serve(ctx context.Context, l net.Listener, t Targets) error {
	mux := http.NewServeMux()
	mux.Handle("/hooks/", forward(t.Scheduler))
	mux.Handle("/", forward(t.Reporter))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("listener: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(stop)
}

// forward keeps the Host header, so that links and cross-origin checks see what the browser saw.
func forward(target string) http.Handler {
	to := &url.URL{Scheme: "http", Host: target}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		FlushInterval: -1, // documents are streamed
	}
}
