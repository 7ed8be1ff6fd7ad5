package reporter

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// TestPushesOvertaking: requests of pushes are counted by registry, those of sweeps are not; without NATS, or before a scheduler has
// made the queue, it cannot be told.
func TestPushesOvertaking(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ns := natsServer(t, server.RANDOM_PORT)
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if got := pushesWaiting(ctx, nc); got != nil {
		t.Errorf("without a queue: %v, want that it cannot be told", got)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: scanv1.StreamRequests, Subjects: []string{scanv1.SubjectsRequests}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]uint64{}, pushesWaiting(ctx, nc)); diff != "" {
		t.Errorf("an empty queue (-want +got):\n%s", diff)
	}
	push := func(registry string) string {
		return (&scanv1.ScanRequest{Lane: scanv1.Lane_LANE_PUSH, Registry: registry}).Subject()
	}
	for _, subject := range []string{push("corp"), push("corp"), push("other"), scanv1.SweepSubject("corp", "slot")} {
		if _, err := js.Publish(ctx, subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]uint64{push("corp"): 2, push("other"): 1}, pushesWaiting(ctx, nc)); diff != "" {
		t.Errorf("pushes (-want +got):\n%s", diff)
	}
	nc.Close()
	if got := pushesWaiting(ctx, nc); got != nil {
		t.Errorf("without a connection: %v, want that it cannot be told", got)
	}
}
