package workflows

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
)

// maxErrorText bounds the text of a failure in a history and in a dead letter: it may quote a registry's answer.
const maxErrorText = 2 << 10

// kind is one row of the table that maps errors between their three forms.
type kind struct {
	err   error      // what Go callers test
	code  codes.Code // what the worker's gRPC service answers
	name  string     // the type of Temporal's application error; stands in histories, never changes
	retry bool       // whether the same activity may succeed within minutes
}

// kinds is that table. Denied is not retried by an activity, because credentials do not change within minutes; the queue's
// back-off, up to half an hour, does that. Workers give limits and unsupported formats one code with what is invalid, because
// callers do the same with all three: the first row with a code is what it means here. A wrong recipe is not retried, because the plan was made with it: a new run
// resolves again. What has no row is retried: it may be a fault of one machine.
var kinds = []kind{
	{plimsoll.ErrInvalid, codes.InvalidArgument, "invalid", false},
	{plimsoll.ErrNotFound, codes.NotFound, "not found", false},
	{plimsoll.ErrDenied, codes.PermissionDenied, "denied", false},
	{plimsoll.ErrIntegrity, codes.DataLoss, "integrity", false},
	{plimsoll.ErrLimit, codes.InvalidArgument, "limit", false},
	{plimsoll.ErrUnsupported, codes.InvalidArgument, "unsupported", false},
	{plimsoll.ErrRecipe, codes.FailedPrecondition, "recipe", false},
	{plimsoll.ErrUnavailable, codes.Unavailable, "unavailable", true},
}

// remote is an error from beyond a network edge: its text is the other side's, its kind one of ours.
type remote struct {
	text string
	kind error
}

func (r remote) Error() string { return r.text }
func (r remote) Unwrap() error { return r.kind }

// FromStatus turns the error of a gRPC call into one that wraps a plimsoll.Err… and reads as the worker wrote it. An error
// whose code has no row (a crash, a time-out) keeps its status.
func FromStatus(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	for _, k := range kinds {
		if k.code == s.Code() {
			return remote{text: s.Message(), kind: k.err}
		}
	}
	return err
}

// passing reports whether the same activity may succeed within minutes.
func passing(err error) bool {
	k, known := kindOf(err)
	return !known || k.retry
}

// failure is the form in which an activity's error reaches Temporal: typed, with bounded text, final when trying again
// gives the same answer. Cancellation passes as it is.
func failure(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return typed(err, !passing(err))
}

// final reports whether an activity said that trying again gives the same answer.
func final(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.NonRetryable()
}

// typed is that form; final says that the activity is not to be tried again.
func typed(err error, final bool) error {
	k, _ := kindOf(err)
	return temporal.NewApplicationErrorWithOptions(cutText(err.Error()), k.name, temporal.ApplicationErrorOptions{NonRetryable: final})
}

// step is the error of a workflow whose step failed: one line, of the step's kind. A run that was asked to end ends as
// cancelled, whatever its step says of it.
func step(ctx workflow.Context, name string, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	k, ok := kindOf(FromFailure(err))
	return temporal.NewApplicationErrorWithOptions(cutText(name+": "+failureText(err)), k.name,
		temporal.ApplicationErrorOptions{NonRetryable: ok && !k.retry})
}

// FromFailure turns what a workflow run or an activity failed with into an error that wraps a plimsoll.Err… where its kind
// is known, and reads as its cause does, without Temporal's frames around it.
func FromFailure(err error) error {
	var app *temporal.ApplicationError
	for e := err; errors.As(e, &app); e = errors.Unwrap(app) {
		for _, k := range kinds {
			if k.name == app.Type() {
				return remote{text: failureText(err), kind: k.err}
			}
		}
	}
	return err
}

// Permanent reports whether another run of the same request would fail the same way: it then needs a person, not a retry.
func Permanent(err error) bool {
	err = FromFailure(err)
	return errors.Is(err, plimsoll.ErrInvalid) || errors.Is(err, plimsoll.ErrUnsupported)
}

// failureText is the innermost message that says what went wrong.
func failureText(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	if timeout := new(temporal.TimeoutError); errors.As(err, &timeout) {
		return fmt.Sprintf("no answer in time (%v)", strings.ToLower(timeout.TimeoutType().String()))
	}
	return err.Error()
}

func kindOf(err error) (kind, bool) {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k, true
		}
	}
	return kind{name: "other"}, false
}

func cutText(s string) string {
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "") + " … (cut)"
	}
	return s
}
