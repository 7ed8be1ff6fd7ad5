package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
)

// ErrShutdown is the cause of cancelled work when the worker stops: callers try another worker.
var ErrShutdown = fmt.Errorf("%w: the worker is shutting down", plimsoll.ErrUnavailable)

// statusCodes is the one table from errors to gRPC codes, in the order of its tests.
var statusCodes = []struct {
	err  error
	code codes.Code
}{
	{ErrShutdown, codes.Unavailable},
	{plimsoll.ErrRecipe, codes.FailedPrecondition},
	{plimsoll.ErrIntegrity, codes.DataLoss},
	{plimsoll.ErrDenied, codes.PermissionDenied},
	{plimsoll.ErrNotFound, codes.NotFound},
	{plimsoll.ErrLimit, codes.InvalidArgument},
	{plimsoll.ErrUnsupported, codes.InvalidArgument},
	{plimsoll.ErrInvalid, codes.InvalidArgument},
	{plimsoll.ErrUnavailable, codes.Unavailable},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
}

// maxMessage bounds an error's text on the wire: gRPC puts it into a header.
const maxMessage = 1 << 10

// toStatus makes the gRPC error of an error; nil stays nil.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToValidUTF8(err.Error(), "\ufffd")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "")
	}
	if fault := new(child.Fault); errors.As(err, &fault) {
		return status.Error(codes.Unavailable, text) // counted here, and worth another try
	}
	for _, row := range statusCodes {
		if errors.Is(err, row.err) {
			return status.Error(row.code, text)
		}
	}
	return status.Error(codes.Internal, text)
}
