package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

// user is the name in generated credentials; only the secret differs between starts.
const user = "plimsoll"

// Bounds on JetStream. A request is at most 12 KiB and the window a few thousand requests, so these are far above use
// and keep a runaway producer from filling the disk that the bucket needs.
const (
	natsMaxStore  = 4 << 30
	natsMaxMemory = 256 << 20
)

// startNATS runs a JetStream server. When transient its files go to a temporary folder that the stop removes: the server
// insists on a folder, although streams with memory storage never write to it.
func startNATS(ctx context.Context, dir string, o Options) (NATS, stopFunc, error) {
	remove := func() error { return nil }
	if o.Transient {
		tmp, err := os.MkdirTemp("", "plimsoll-nats-")
		if err != nil {
			return NATS{}, nil, fmt.Errorf("start nats: %w", err)
		}
		dir, remove = tmp, func() error { return os.RemoveAll(tmp) }
	}
	n := NATS{User: user, Password: o.secret(), Memory: o.Transient}
	opts, err := natsOptions(dir, n)
	if err != nil {
		return NATS{}, nil, errors.Join(fmt.Errorf("start nats: %w", err), remove())
	}
	s, err := runNATS(ctx, opts, o.Log)
	if err != nil {
		return NATS{}, nil, errors.Join(fmt.Errorf("start nats in %s: %w", dir, err), remove())
	}
	n.URL = s.ClientURL()
	stop := func(ctx context.Context) error {
		err := wait(ctx, "nats", func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		if err != nil {
			return err
		}
		return remove()
	}
	return n, stop, nil
}

func natsOptions(dir string, n NATS) (*server.Options, error) {
	// The server warns of a plain password. The hash may be the cheapest: nobody guesses a random secret.
	hash, err := bcrypt.GenerateFromPassword([]byte(n.Password), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return &server.Options{
		ServerName:             "plimsoll",
		Host:                   loopback,
		Port:                   server.RANDOM_PORT, // the server binds it itself: no race
		Username:               n.User,
		Password:               string(hash),
		JetStream:              true,
		StoreDir:               dir,
		JetStreamMaxStore:      natsMaxStore,
		JetStreamMaxMemory:     natsMaxMemory,
		DisableJetStreamBanner: true,
		NoSigs:                 true, // signals belong to the program
	}, nil
}

func runNATS(ctx context.Context, opts *server.Options, log *slog.Logger) (*server.Server, error) {
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	bridge := &natsLog{log: log.With("engine", "nats")}
	s.SetLoggerV2(bridge, false, false, false)
	s.Start()
	deadline, _ := ctx.Deadline()
	if !s.ReadyForConnections(time.Until(deadline)) || !s.JetStreamEnabled() {
		s.Shutdown()
		if why := bridge.fatal.Load(); why != nil {
			return nil, errors.New(*why)
		}
		return nil, errors.New("not ready for connections")
	}
	return s, nil
}

// natsLog passes on warnings and worse; the rest is the server's running commentary. A fatal error does not end the
// process: the server has given up, and the start reports it.
type natsLog struct {
	log   *slog.Logger
	fatal atomic.Pointer[string]
}

func (l *natsLog) Noticef(string, ...any) {}
func (l *natsLog) Debugf(string, ...any)  {}
func (l *natsLog) Tracef(string, ...any)  {}

func (l *natsLog) Warnf(format string, v ...any) {
	l.log.Warn("nats warns", "message", fmt.Sprintf(format, v...))
}

func (l *natsLog) Errorf(format string, v ...any) {
	l.log.Error("nats failed", "message", fmt.Sprintf(format, v...))
}

func (l *natsLog) Fatalf(format string, v ...any) {
	why := fmt.Sprintf(format, v...)
	l.fatal.Store(&why)
	l.log.Error("nats gave up", "message", why)
}
