package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
)

// eventually polls until what is true, at most a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-limit.C:
			t.Fatalf("not within a minute: %s", what)
		case <-poll.C:
		}
	}
}

func (p *Pool) send(t *testing.T, d plimsoll.Digest, try int) error {
	t.Helper()
	_, err := p.layer(t.Context(), &workerv1.AnalyzeRequest{Layer: layerOf(d, 1)}, try)
	return err
}

func TestDialRefusesBadTargets(t *testing.T) {
	t.Parallel()
	for _, targets := range [][]string{nil, {"dns:///worker:9090", "10.0.0.7:9090"}} {
		_, err := Dial(targets)
		wantKind(t, err, plimsoll.ErrInvalid)
		if !strings.Contains(err.Error(), "scheduler.workers") {
			t.Errorf("error %q does not name the field", err)
		}
	}
}

// pair is a pool over two workers, both ready.
func pair(t *testing.T) (pool *Pool, workers [2]*fake) {
	t.Helper()
	var addresses []string
	for i := range workers {
		workers[i] = &fake{}
		addresses = append(addresses, workers[i].start(t))
	}
	pool = dial(t, addresses...)
	n := 0
	eventually(t, "both workers are used", func() bool {
		n++
		if err := pool.send(t, digest(t, fmt.Sprint("warm", n)), 0); err != nil {
			t.Fatal(err)
		}
		return workers[0].took("") > 0 && workers[1].took("") > 0
	})
	return pool, workers
}

func TestLayersMeetInOneWorker(t *testing.T) {
	t.Parallel()
	pool, workers := pair(t)
	used := [2]int{}
	for i := range 64 {
		d := digest(t, fmt.Sprint(i))
		for range 3 {
			if err := pool.send(t, d, 0); err != nil {
				t.Fatal(err)
			}
		}
		for w, f := range workers {
			switch f.took("analyze " + string(d)) {
			case 0:
			case 3:
				used[w]++
			default:
				t.Errorf("layer %d was split between workers", i)
			}
		}
	}
	if used[0] < 8 || used[1] < 8 {
		t.Errorf("layers were spread %v over two workers, want both used", used)
	}
}

func TestAWorkerThatDoesNotServeIsPassedOver(t *testing.T) {
	t.Parallel()
	pool, workers := pair(t)
	workers[0].health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	n := 0
	eventually(t, "64 layers in a row pass the first worker over", func() bool {
		before := workers[0].took("")
		for range 64 {
			n++
			if err := pool.send(t, digest(t, fmt.Sprint(n)), 0); err != nil {
				t.Fatal(err)
			}
		}
		return workers[0].took("") == before
	})
	workers[0].health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	before := workers[0].took("")
	eventually(t, "the first worker is used again", func() bool {
		n++
		return pool.send(t, digest(t, fmt.Sprint(n)), 0) == nil && workers[0].took("") > before
	})
}

func TestASilentWorkerIsDead(t *testing.T) {
	t.Parallel()
	told := make(chan struct{}, 1)
	f := &fake{analyze: func(_ *workerv1.AnalyzeRequest, stream grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
		if err := stream.Send(&workerv1.AnalyzeResponse{ReadBytes: 1}); err != nil {
			return err
		}
		<-stream.Context().Done()
		select {
		case told <- struct{}{}:
		default:
		}
		return stream.Context().Err()
	}}
	pool := dial(t, f.start(t))
	pool.silence = 50 * time.Millisecond
	// On a busy machine a call may be given up before the worker heard of it; then it is tried again.
	eventually(t, "the worker is told that nobody waits any more", func() bool {
		if err := pool.send(t, digest(t, ""), 0); !errors.Is(err, errSilent) {
			t.Fatalf("error = %v, want %v", err, errSilent)
		}
		select {
		case <-told:
			return true
		default:
			return false
		}
	})
}

func TestProgressKeepsACallAlive(t *testing.T) {
	t.Parallel()
	const words = 60
	f := &fake{analyze: func(_ *workerv1.AnalyzeRequest, stream grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := range words {
			<-tick.C
			if err := stream.Send(&workerv1.AnalyzeResponse{ReadBytes: int64(n)}); err != nil {
				return err
			}
		}
		return stream.Send(&workerv1.AnalyzeResponse{Done: true})
	}}
	pool := dial(t, f.start(t))
	pool.silence = time.Second // less than the whole call takes, more than a busy machine stalls
	if err := pool.send(t, digest(t, ""), 0); err != nil {
		t.Error(err)
	}
}

// A worker that dies, one that says "unavailable" and one that is not there have one gRPC code and three meanings.
func TestHowACallEnds(t *testing.T) {
	t.Parallel()
	var f *fake
	tests := map[string]struct {
		analyze func(stream grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error
		want    error
		counts  bool
		again   bool
	}{
		"killed in the middle": {func(s grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
			_ = s.Send(&workerv1.AnalyzeResponse{ReadBytes: 1})
			go f.kill()
			<-s.Context().Done()
			return s.Context().Err()
		}, errBroken, true, true},
		"no result": {func(grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error { return nil }, errBroken, true, true},
		"registry down": {func(grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
			return unavailable("registry")
		}, plimsoll.ErrUnavailable, false, true},
		"refused": {func(grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
			return status.Error(codes.PermissionDenied, "registry: access denied")
		}, plimsoll.ErrDenied, false, false},
		"wrong bytes": {func(grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
			return status.Error(codes.DataLoss, "layer: integrity")
		}, plimsoll.ErrIntegrity, false, false},
		"analysis died": {func(grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
			return status.Error(codes.Internal, "out of memory")
		}, nil, true, true},
	}
	for name, test := range tests { // one after the other: they share f
		f = &fake{analyze: func(_ *workerv1.AnalyzeRequest, s grpc.ServerStreamingServer[workerv1.AnalyzeResponse]) error {
			return test.analyze(s)
		}}
		err := dial(t, f.start(t)).send(t, digest(t, name), 0)
		if away(err) {
			t.Errorf("%s: %v: the worker was reached", name, err)
		}
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: error = %v, want %v", name, err, test.want)
			continue
		}
		if counts(err) != test.counts || again(err) != test.again {
			t.Errorf("%s (%v): counts = %t, again = %t; want %t, %t", name, err, counts(err), again(err), test.counts, test.again)
		}
	}
}

func TestNoWorkerAtAll(t *testing.T) {
	t.Parallel()
	f := &fake{}
	address := f.start(t)
	f.kill()
	pool := dial(t, address)
	if err := pool.send(t, digest(t, ""), 0); !away(err) {
		t.Errorf("error of a layer call = %v, want %v", err, errAway)
	}
	_, err := pool.Describe(t.Context())
	wantKind(t, err, errAway)
	if !strings.Contains(err.Error(), "scheduler.workers") {
		t.Errorf("error %q does not say what to look at", err)
	}
}

func TestPulse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var words []string
		n := 0
		stop := pulse(func(s string) { words = append(words, s) }, func() string { n++; return fmt.Sprint(n) })
		time.Sleep(2*beatEvery + time.Second) // the bubble's clock
		synctest.Wait()
		stop()
		stop()
		if len(words) != 3 {
			t.Errorf("words = %v, want three within %v", words, 2*beatEvery)
		}
	})
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	started := 0
	err := each(t.Context(), 100, 1, func(context.Context, int) error {
		started++
		if started == 3 {
			return bad
		}
		return nil
	})
	if !errors.Is(err, bad) || started != 3 {
		t.Errorf("error = %v after %d calls, want %v after three", err, started, bad)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := each(gone, 3, 2, func(ctx context.Context, _ int) error { return ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("error of a cancelled context = %v", err)
	}
}
