package reporter

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

const (
	// tailEvery is how often the change log is read without a hint (DESIGN, objects: at least every 30 s).
	tailEvery = 20 * time.Second
	// foldAgain is how long a first fold that failed waits.
	foldAgain = 5 * time.Second
	// snapshotEvery is how often the posture is written down, so that the next start reads little.
	snapshotEvery = 15 * time.Minute
	// lastSnapshot is how long the one at the end may take: less than an orchestrator waits before it kills.
	lastSnapshot = 20 * time.Second
	// natsPause is the wait between two tries to reach NATS.
	natsPause = 2 * time.Second
)

// hear subscribes to the hints. Hints are lost without harm, so a plain subscription will do; the connection is made and
// made again in the background. Each hint leaves one token in the channel, which is enough for any number of them.
func hear(c config.NATS, p *parts, log *slog.Logger) (nc *nats.Conn, hints <-chan struct{}, err error) {
	woken := make(chan struct{}, 1)
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	down := func(_ *nats.Conn, err error) {
		if err == nil {
			err = errors.New("not connected")
		}
		if p.set(partNATS, fmt.Errorf("%s: %w", c.URL, err)) {
			log.Warn("no hints from NATS: the change log is read by the clock", "error", err)
		}
	}
	up := func(*nats.Conn) {
		p.set(partNATS, nil)
		wake() // what was said while we were away
	}
	o := []nats.Option{
		nats.Name("plimsoll-reporter"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(natsPause),
		nats.ConnectHandler(up), nats.ReconnectHandler(up), nats.DisconnectErrHandler(down), nats.ReconnectErrHandler(down),
		nats.NoCallbacksAfterClientClose(),
	}
	more, err := natsAccess(c)
	if err != nil {
		return nil, nil, err
	}
	nc, err = nats.Connect(c.URL, append(o, more...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("nats.url %s: %w", c.URL, err)
	}
	if _, err := nc.Subscribe(scanv1.SubjectsChanges, func(*nats.Msg) { wake() }); err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("listen for hints at %s: %w", c.URL, err)
	}
	return nc, woken, nil
}

func natsAccess(c config.NATS) (o []nats.Option, err error) {
	if c.User != "" {
		o = append(o, nats.UserInfo(c.User, c.Password))
	}
	if c.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(c.CredentialsFile))
	}
	if c.CertFile != "" {
		o = append(o, nats.ClientCert(c.CertFile, c.KeyFile)) // read again at each connection
	}
	if c.CAFile != "" {
		if err := authorities(c.CAFile); err != nil {
			return nil, err
		}
		o = append(o, nats.RootCAs(c.CAFile))
	}
	return o, nil
}

// authorities says at the start what is wrong with the file, and not at each connection.
func authorities(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("nats.ca_file: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return fmt.Errorf("nats.ca_file %s: %w: no certificate in PEM form", file, plimsoll.ErrInvalid)
	}
	return nil
}

// fold makes the posture, of the newest snapshot or of the whole bucket, until it has worked once. What could not be read is
// part of the view.
func fold(ctx context.Context, e *posture.Engine, p *parts, log *slog.Logger) error {
	for {
		err := e.Start(ctx)
		if e.View() != nil {
			p.set(partPosture, err)
			return nil
		}
		p.set(partPosture, err)
		log.Error("posture cannot be folded from the bucket yet", "error", err)
		if !pause(ctx, foldAgain) {
			return context.Cause(ctx)
		}
	}
}

// follow reads the tail of the change log at each hint and by the clock, until ctx ends.
func follow(ctx context.Context, e *posture.Engine, hints <-chan struct{}, p *parts, log *slog.Logger) {
	clock := time.NewTicker(tailEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hints:
		case <-clock.C:
		}
		_, err := e.Advance(ctx)
		if ctx.Err() != nil {
			return
		}
		if p.set(partPosture, err) && err != nil {
			log.Error("change log cannot be followed", "error", err)
		}
	}
}

// keepSnapshots writes a snapshot now and then, and one at the end. A snapshot that cannot be written costs the next start
// time and nothing else.
func keepSnapshots(ctx context.Context, e *posture.Engine, log *slog.Logger) {
	save := func(ctx context.Context) {
		if err := e.Save(ctx); err != nil {
			log.Warn("no snapshot of the posture; the next start takes longer", "error", err)
		}
	}
	clock := time.NewTicker(snapshotEvery)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
			save(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSnapshot)
			defer cancel()
			save(last)
			return
		}
	}
}

// pause waits for d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
