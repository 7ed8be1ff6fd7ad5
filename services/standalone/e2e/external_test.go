package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// TestUpWithAnotherQueue: a NATS that the configuration names takes the place of the embedded one, which is not started. (All three
// engines as processes of their own are what the faults' tests run with.)
func TestUpWithAnotherQueue(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	queue, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	queue.Start()
	t.Cleanup(func() { queue.Shutdown(); queue.WaitForShutdown() })
	if !queue.ReadyForConnections(patience) {
		t.Fatal("nats server is not ready")
	}
	listen := freeAddress(t)
	d := newDistribution(t, "http://"+listen+"/hooks/corp")
	s := up(t, setup{listen: listen, registries: []plimsoll.Registry{d.configured()}, nats: queue.ClientURL()})

	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.11"))
	s.image(ctx, "corp", "shop/web:1.0", isComplete)

	if _, err := os.Stat(filepath.Join(s.data, "nats", "jetstream")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the embedded queue has data (%v), want none", err)
	}
	nc, err := nats.Connect(queue.ClientURL(), nats.Timeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, scanv1.StreamRequests)
	if err != nil {
		t.Fatalf("the queue's stream: %v", err)
	}
	if stream.CachedInfo().State.LastSeq == 0 {
		t.Error("no request went through the queue that the configuration names")
	}
	if got := s.log.String(); !strings.Contains(got, "NATS is the one that the configuration names") {
		t.Errorf("up says %q, want that it uses another NATS", got)
	}
}
