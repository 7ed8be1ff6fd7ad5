package faults

import (
	"context"
	"testing"
	"time"
)

// eventually asks until f is content; what it last said is the failure.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	if err := within(t.Context(), patience, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// within asks for so long until f is content, and returns what it last said.
func within(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}
