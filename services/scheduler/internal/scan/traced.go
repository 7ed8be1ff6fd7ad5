package scan

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

// traced makes a call with one answer a span of the trace that it is part of.
func traced(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, next grpc.UnaryInvoker, o ...grpc.CallOption) (err error) {
	ctx, span := calling(ctx, method)
	defer func() { span.End(err) }()
	return next(ctx, method, in, out, conn, o...)
}

// analyzing makes the analysis of a layer a span of the trace that it is part of.
func analyzing(ctx context.Context, in *workerv1.AnalyzeRequest) (context.Context, trace.Span) {
	ctx, span := calling(ctx, workerv1.Worker_Analyze_FullMethodName)
	span.Set("plimsoll.layer", in.GetLayer().GetDigest())
	return ctx, span
}

// calling names the span to the worker, which goes on with it.
func calling(ctx context.Context, method string) (context.Context, trace.Span) {
	ctx, span := trace.Start(ctx, strings.TrimPrefix(method, "/"), trace.Client, "rpc.system", "grpc")
	if parent := trace.Parent(ctx); parent != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, trace.Header, parent)
	}
	return ctx, span
}
