package blob

import (
	"context"
	"iter"
)

// inOrder calls fetch for each key, at most width at once, and gives the results in the order of the keys. The first
// error, of keys or of fetch, is given last. All calls have ended when it returns.
func inOrder[K, V any](ctx context.Context, width int, keys iter.Seq2[K, error], fetch func(context.Context, K) (V, error)) iter.Seq2[V, error] {
	type result struct {
		v   V
		err error
	}
	return func(yield func(V, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var pending []chan result // one for each call not yet given, oldest first; at most width
		defer func() {
			cancel()
			for _, p := range pending {
				<-p
			}
		}()
		give := func() bool {
			r := <-pending[0]
			pending = pending[1:]
			return yield(r.v, r.err) && r.err == nil
		}
		for key, err := range keys {
			if err != nil {
				for len(pending) > 0 {
					if !give() {
						return
					}
				}
				var none V
				yield(none, err)
				return
			}
			if len(pending) == width && !give() {
				return
			}
			p := make(chan result, 1)
			pending = append(pending, p)
			go func() {
				v, err := fetch(ctx, key)
				p <- result{v, err}
			}()
		}
		for len(pending) > 0 && give() {
		}
	}
}
