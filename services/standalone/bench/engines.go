package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
)

// addresses are the engines as their process prints them, on one line.
type addresses struct {
	NATS     engine.NATS
	Temporal engine.Temporal
	S3       engine.S3
}

// runEngines is this program as the process of the engines: until its input ends.
func runEngines(ctx context.Context, data string) error {
	e, err := engine.Start(ctx, engine.Options{Data: data})
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
