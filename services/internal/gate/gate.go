// Package gate bounds how much is done at once, and keeps a place for what is urgent.
package gate

import "context"

// Gate has a number of places. One of them is kept for urgent work, where there are at least two: a sweep over a large registry holds
// the others for hours, and a fresh push passes by all of the sweep that waits.
type Gate struct {
	all      chan struct{} // everybody within holds one
	ordinary chan struct{} // what is not urgent holds one of these too; there is one less
}

// New makes a gate of n places, at least one.
func New(n int) *Gate {
	n = max(n, 1)
	return &Gate{all: make(chan struct{}, n), ordinary: make(chan struct{}, max(n-1, 1))}
}

// Urgent is what to give to Enter for work that is urgent from the beginning.
var Urgent = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

type urgentKey struct{}

// WithUrgent marks what is done under the context that is returned as urgent, for gates further down.
func WithUrgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, Urgent)
}

// UrgentIn is [Urgent] where the context is marked so, else nil: never.
func UrgentIn(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(urgentKey{}).(<-chan struct{})
	return c
}

// Enter waits for a place; leave gives it back and is called once. Work is urgent when that channel is closed, which may happen while
// it waits; nil never is. The error is the context's cause.
func (g *Gate) Enter(ctx context.Context, urgent <-chan struct{}) (leave func(), err error) {
	ordinary := false
	select {
	case <-urgent:
	default:
		select {
		case g.ordinary <- struct{}{}:
			ordinary = true
		case <-urgent:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	select {
	case g.all <- struct{}{}:
	case <-ctx.Done():
		if ordinary {
			<-g.ordinary
		}
		return nil, context.Cause(ctx)
	}
	return func() {
		<-g.all
		if ordinary {
			<-g.ordinary
		}
	}, nil
}

// Held is how many places are taken.
func (g *Gate) Held() int { return len(g.all) }
