package serve

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
)

const someLayer plimsoll.Digest = "sha256:x"

func TestFlightEndsWithItsLastCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := newFlights(t.Context())
		ended := make(chan error, 2)
		work := func(ctx context.Context, _ *flight) (outcome, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return outcome{}, context.Cause(ctx)
		}
		first, joined, leave1 := fs.join(someLayer, false, work)
		second, joined2, leave2 := fs.join(someLayer, false, work)
		if first != second || joined || !joined2 {
			t.Fatal("two identical calls did not share a flight")
		}
		leave1()
		leave1() // a second call of leave does nothing
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("the flight ended although a caller waits")
		default:
		}
		leave2()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("cause %v, want cancelled", err)
		}
		// Who comes after the last one has left starts anew, even while the old flight is landing.
		third, joined, leave3 := fs.join(someLayer, false, work)
		if joined || third == first {
			t.Error("a call joined a flight that was given up")
		}
		leave3()
		fs.wait()
		if len(fs.all) != 0 {
			t.Errorf("%d flights are left", len(fs.all))
		}
	})
}

func TestPushMakesAFlightUrgent(t *testing.T) {
	t.Parallel()
	fs := newFlights(t.Context())
	work := func(_ context.Context, f *flight) (outcome, error) {
		<-f.urgent
		return outcome{read: plimsoll.Complete()}, nil
	}
	f, _, leave1 := fs.join(someLayer, false, work)
	defer leave1()
	for range 2 {
		_, joined, leave := fs.join(someLayer, true, work)
		defer leave()
		if !joined {
			break // the first push let it land
		}
	}
	<-f.done
	if f.err != nil || f.out.read != plimsoll.Complete() {
		t.Errorf("outcome %+v, %v", f.out, f.err)
	}
	fs.wait()
}

func TestPanicEndsOneFlight(t *testing.T) {
	t.Parallel()
	fs := newFlights(t.Context())
	f, _, leave := fs.join(someLayer, false, func(context.Context, *flight) (outcome, error) { panic("hostile") })
	defer leave()
	<-f.done
	if !errors.Is(f.err, errPanic) {
		t.Errorf("error %v, want %v", f.err, errPanic)
	}
	fs.wait()
}

func TestStatusCodes(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return fmt.Errorf("read layer: %w", err) }
	tests := map[codes.Code]error{
		codes.OK: nil, codes.NotFound: wrap(plimsoll.ErrNotFound), codes.PermissionDenied: wrap(plimsoll.ErrDenied),
		codes.DataLoss: wrap(plimsoll.ErrIntegrity), codes.FailedPrecondition: wrap(plimsoll.ErrRecipe), codes.Canceled: wrap(context.Canceled),
		codes.DeadlineExceeded: wrap(context.DeadlineExceeded), codes.Internal: errors.New("what"), codes.InvalidArgument: wrap(plimsoll.ErrInvalid),
	}
	for want, err := range tests {
		if got := status.Code(toStatus(err)); got != want {
			t.Errorf("toStatus(%v) = %v, want %v", err, got, want)
		}
	}
	for _, err := range []error{ErrShutdown, plimsoll.ErrUnavailable, &child.Fault{What: "crashed"}} {
		if got := status.Code(toStatus(wrap(err))); got != codes.Unavailable {
			t.Errorf("toStatus(%v) = %v, want unavailable", err, got)
		}
	}
	long := toStatus(fmt.Errorf("%w: %s", plimsoll.ErrInvalid, string(make([]byte, 1<<20))))
	if got := len(status.Convert(long).Message()); got > maxMessage {
		t.Errorf("a message of %d bytes, want at most %d", got, maxMessage)
	}
}
