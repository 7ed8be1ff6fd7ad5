package registry

import (
	"context"
	"time"
)

// An Idler is told when a request does nothing but wait for the registry: because it was asked to come later, or failed and is tried
// again. end is called when the wait is over, before the request goes on; its error ends the request.
type Idler func() (end func(context.Context) error)

type idleKey struct{}

// WithIdle has i told of the waits of requests under the context that is returned. What somebody holds while a request is under way, a
// slot of which there are few, may be given to others meanwhile: a registry that says "later" must not keep others waiting.
func WithIdle(ctx context.Context, i Idler) context.Context {
	return context.WithValue(ctx, idleKey{}, i)
}

// worthIdling is the shortest wait that is told: giving a slot away and taking it again costs its place in the queue.
const worthIdling = 200 * time.Millisecond

// idle is sleep that tells of itself.
func idle(ctx context.Context, d time.Duration) error {
	i, ok := ctx.Value(idleKey{}).(Idler)
	if !ok || d < worthIdling {
		return sleep(ctx, d)
	}
	end := i()
	if err := sleep(ctx, d); err != nil {
		return err
	}
	return end(ctx)
}
