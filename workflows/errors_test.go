package workflows

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
)

func TestKindsSurviveEachEdge(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("layer 3 of team/app: %w", k.err)
			over := FromStatus(status.Error(k.code, err.Error()))
			means := k.err
			if k.code == codes.InvalidArgument {
				means = plimsoll.ErrInvalid // one code for three kinds
			}
			if !errors.Is(over, means) || over.Error() != err.Error() {
				t.Errorf("over gRPC: %v, want %v", over, err)
			}
			failed := failure(err)
			var app *temporal.ApplicationError
			if !errors.As(failed, &app) || app.NonRetryable() == k.retry {
				t.Errorf("failure %v: retried %t, want %t", failed, !app.NonRetryable(), k.retry)
			}
			through := FromFailure(temporal.NewApplicationErrorWithOptions("outer", "other", temporal.ApplicationErrorOptions{Cause: failed}))
			if !errors.Is(through, k.err) {
				t.Errorf("through Temporal: %v is not %v", through, k.err)
			}
		})
	}
}

func TestErrorsWithoutARow(t *testing.T) {
	t.Parallel()
	crash := status.Error(codes.Internal, "analysis died")
	if got := FromStatus(crash); status.Code(got) != codes.Internal {
		t.Errorf("FromStatus(%v) = %v: want it as it was", crash, got)
	}
	for _, err := range []error{nil, context.Canceled} {
		if got := failure(err); got != err {
			t.Errorf("failure(%v) = %v, want it as it was", err, got)
		}
	}
	if got := failure(errors.New(strings.Repeat("é", maxErrorText))).Error(); len(got) > maxErrorText+100 || !strings.Contains(got, "(cut)") {
		t.Errorf("a long text became %d bytes", len(got))
	}
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		plimsoll.ErrInvalid: true, plimsoll.ErrUnsupported: true, plimsoll.ErrUnavailable: false, plimsoll.ErrDenied: false, plimsoll.ErrRecipe: false,
	} {
		if got := Permanent(failure(err)); got != want {
			t.Errorf("Permanent(%v) = %t, want %t", err, got, want)
		}
	}
}
