package house

import (
	"context"
	"iter"
)

const (
	// atOnce is how many objects are read or written at once: enough to hide the store's latency.
	atOnce = 16
)

// eachInOrder fetches what keys name, [atOnce] at a time, and gives the results to each, one by one and in the order of the
// keys. The first error, of keys or of each, ends it; all fetches have ended when it returns.
func eachInOrder[K, V any](ctx context.Context, keys iter.Seq2[K, error], fetch func(context.Context, K) (V, error), each func(V, error) error) (err error) {
	type result struct {
		v   V
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	var pending []chan result
	defer func() {
		cancel()
		for _, p := range pending {
			<-p
		}
	}()
	take := func() error {
		r := <-pending[0]
		pending = pending[1:]
		return each(r.v, r.err)
	}
	for key, err := range keys {
		if err != nil {
			return err
		}
		if len(pending) == atOnce {
			if err := take(); err != nil {
				return err
			}
		}
		p := make(chan result, 1)
		pending = append(pending, p)
		go func() {
			v, err := fetch(ctx, key)
			p <- result{v, err}
		}()
	}
	for len(pending) > 0 {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}
