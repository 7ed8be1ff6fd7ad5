package main

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
)

// addresses are the engines as their process prints them, on one line.
type addresses struct {
	NATS     engine.NATS
	Temporal engine.Temporal
	S3       engine.S3
}

// secretEnv holds the engines' secret, so that one that was killed comes back with it.
const secretEnv = "PLIMSOLL_BENCH_SECRET"

// links stand before the engines: one that was killed comes back on another port, and its clients know none but these.
type links struct{ nats, temporal, s3 *proxy.Link }

// link puts links before the engines of a system.
func link(queue, bucket *addresses) (*links, error) {
	u, err := url.Parse(queue.NATS.URL)
	if err != nil {
		return nil, err
	}
	l := &links{}
	for _, one := range []struct {
		link   **proxy.Link
		target *string
	}{{&l.nats, &u.Host}, {&l.temporal, &queue.Temporal.Address}, {&l.s3, &bucket.S3.Endpoint}} {
		if *one.link, err = proxy.NewLink(*one.target); err != nil {
			return nil, err
		}
		*one.target = (*one.link).Address()
	}
	queue.NATS.URL = u.String()
	return l, nil
}

// restartQueue kills NATS and Temporal at once and starts them over what they left.
func (s *system) restartQueue(ctx context.Context) error {
	at, err := s.restartEngines(ctx, &s.queue, "queue")
	if err != nil {
		return err
	}
	u, err := url.Parse(at.NATS.URL)
	if err != nil {
		return err
	}
	s.links.nats.Aim(u.Host)
	s.links.temporal.Aim(at.Temporal.Address)
	return nil
}

func (s *system) restartBucket(ctx context.Context) error {
	at, err := s.restartEngines(ctx, &s.bucket, "bucket")
	if err != nil {
		return err
	}
	s.links.s3.Aim(at.S3.Endpoint)
	return nil
}

func (s *system) restartEngines(ctx context.Context, p **process, name string) (at addresses, err error) {
	if err := (*p).kill(); err != nil {
		return at, err
	}
	*p, at, err = s.engines(ctx, name)
	return at, err
}

// runEngines is this program as the process of the engines: until its input ends.
func runEngines(ctx context.Context, data string) error {
	e, err := engine.Start(ctx, engine.Options{Data: data, Secret: os.Getenv(secretEnv)})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses{e.NATS, e.Temporal, e.S3}); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return e.Stop(stop)
}
