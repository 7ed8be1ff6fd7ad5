package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	// tries is how often one call is made while the answer is "unavailable": it bridges a reconnect. What lasts longer is
	// tried again by Temporal and then by the queue, so more here would only multiply.
	tries = 3
	// firstPause doubles between tries: 0.5 s and 1 s.
	firstPause = 500 * time.Millisecond
	// silence is how long a stream may say nothing. Workers send progress every 5 s, so three words were missed.
	silence = 15 * time.Second
	// layerDeadline bounds one layer from first to last byte: tens of gigabytes over a slow link.
	layerDeadline = 3 * time.Hour
	// beatEvery is how often a step in progress heartbeats: twice within the 10 s that the contract asks for.
	beatEvery = 5 * time.Second
)

// Why a call ended without its worker's own word.
var (
	// errAway: no worker could be reached at all. It says nothing about what was asked, and ends the step.
	errAway   = fmt.Errorf("no worker can be reached: %w", plimsoll.ErrUnavailable)
	errSilent = errors.New("the worker said nothing for " + silence.String())
	errBroken = errors.New("the worker went away in the middle of the layer")
)

// retry calls until there is an answer or an error that is not worth another call, at most tries times.
func retry(ctx context.Context, worth func(error) bool, call func(ctx context.Context, try int) error) error {
	pause := firstPause
	for try := 0; ; try++ {
		err := call(ctx, try)
		if err == nil || !worth(err) || try == tries-1 {
			return err
		}
		if wait(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// passing reports whether err may be gone in a moment; away, whether that is because no worker can be reached.
func passing(err error) bool { return errors.Is(err, plimsoll.ErrUnavailable) }
func away(err error) bool    { return errors.Is(err, errAway) }

// wait returns after d, or with the cause as soon as ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// ask makes one call that has one answer. Errors wrap a plimsoll.Err… where the worker's status has a kind, or errAway.
func ask(ctx context.Context, deadline time.Duration, call func(ctx context.Context, o ...grpc.CallOption) error) error {
	ctx, stop := context.WithTimeout(ctx, deadline)
	defer stop()
	var from peer.Peer
	return told(call(ctx, grpc.Peer(&from)), from)
}

// told is what an error of a call means: a call that no connection took has no peer.
func told(err error, from peer.Peer) error {
	if status.Code(err) == codes.Unavailable && from.Addr == nil {
		return fmt.Errorf("%w: %s", errAway, status.Convert(err).Message())
	}
	return workflows.FromStatus(err)
}

// rawStatus is the status of a call whose code has no kind of ours.
func rawStatus(err error) (*status.Status, bool) {
	s, ok := err.(interface{ GRPCStatus() *status.Status })
	if !ok {
		return nil, false
	}
	return s.GRPCStatus(), true
}

// layer has one layer analysed by the worker its digest leads to, or by another at a further try. It returns the worker's
// result; errAway, errSilent or errBroken when there was none; else an error as the worker's status says.
func (p *Pool) layer(ctx context.Context, in *workerv1.AnalyzeRequest, try int) (out *workerv1.AnalyzeResponse, err error) {
	ctx, span := analyzing(ctx, in)
	defer func() { span.End(err) }()
	ctx, stop := context.WithTimeout(ctx, layerDeadline)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(p.silence, func() { cancel(errSilent) })
	defer watch.Stop()

	ctx = routed(ctx, plimsoll.Digest(in.GetLayer().GetDigest()), try)
	var from peer.Peer
	stream, err := p.client.Analyze(ctx, in, grpc.Peer(&from))
	if err != nil {
		return nil, streamError(ctx, err, from)
	}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return nil, fmt.Errorf("%w: its stream ended without a result", errBroken)
		}
		if err != nil {
			return nil, streamError(ctx, err, from)
		}
		if m.GetDone() {
			return m, nil
		}
		watch.Reset(p.silence)
	}
}

// streamError tells a worker's own word from a connection that was lost.
func streamError(ctx context.Context, err error, from peer.Peer) error {
	if context.Cause(ctx) == errSilent {
		return errSilent
	}
	if lost(err) {
		return fmt.Errorf("%w: %s", errBroken, status.Convert(err).Message())
	}
	return told(err, from)
}

// lost reports whether err was made by this side's transport because the connection broke after the call was sent. grpc
// gives it the same code as a worker that says "unavailable"; the text is grpc-go's own and checked by a test that kills a
// worker, since a layer that kills its worker must count as an attempt and a registry that is down must not.
func lost(err error) bool {
	s := status.Convert(err)
	return s.Code() == codes.Unavailable &&
		(strings.HasPrefix(s.Message(), "error reading from server") || strings.Contains(s.Message(), "closing transport due to"))
}

// each calls f for 0 … n-1, at most limit at a time, and waits for all. The first error stops further calls and is returned.
func each(ctx context.Context, n, limit int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room := make(chan struct{}, max(1, limit))
	var all sync.WaitGroup
	for i := range n {
		select {
		case <-ctx.Done():
		case room <- struct{}{}:
		}
		if ctx.Err() != nil { // also where there is room: nothing is started any more
			break
		}
		all.Go(func() {
			defer func() { <-room }()
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// pulse calls beat with where a step has got to, now and every beatEvery, until stop, which waits for the last call.
func pulse(beat func(string), reached func() string) (stop func()) {
	if beat == nil {
		return func() {}
	}
	done := make(chan struct{})
	var owner sync.WaitGroup
	owner.Go(func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			beat(reached())
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return sync.OnceFunc(func() { close(done); owner.Wait() })
}
