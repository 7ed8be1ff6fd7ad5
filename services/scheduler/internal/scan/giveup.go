package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// givenUp are the layers of one plan that a worker will not read, and why: a foreign layer, one whose manifest claims more
// bytes than are read. That is no attempt, which would count against every image that shares the layer: another manifest may
// claim otherwise. Few plans have any, so it stands beside the plan and is derivable like it.
type givenUp struct {
	Layers map[plimsoll.Digest]string `json:"layers"`
}

func givenUpKey(plan string) string { return plan + "-given-up" }

// given reads what was given up of a plan.
func (s *Scanner) given(ctx context.Context, plan string) (g givenUp, etag string, err error) {
	o, err := s.store.Get(ctx, givenUpKey(plan))
	switch {
	case errors.Is(err, plimsoll.ErrNotFound):
		return givenUp{Layers: map[plimsoll.Digest]string{}}, "", nil
	case err != nil:
		return g, "", fmt.Errorf("read which layers were given up: %w", err)
	}
	if err := json.Unmarshal(o.Bytes, &g); err != nil || g.Layers == nil {
		return g, "", fmt.Errorf("read which layers were given up: %w: %s holds no such list", plimsoll.ErrIntegrity, givenUpKey(plan))
	}
	return g, o.ETag, nil
}

// giveUp adds a layer. Batches of one plan do so beside each other; whoever was slower starts over.
func (s *Scanner) giveUp(ctx context.Context, plan string, d plimsoll.Digest, reason string) error {
	for {
		g, etag, err := s.given(ctx, plan)
		if err != nil {
			return err
		}
		if _, there := g.Layers[d]; there {
			return nil
		}
		g.Layers[d] = reason
		b, err := json.Marshal(g)
		if err != nil {
			return fmt.Errorf("encode which layers were given up: %w", err)
		}
		err = s.store.Replace(ctx, givenUpKey(plan), b, etag)
		if err == nil {
			return nil
		}
		if !errors.Is(err, blob.ErrExists) {
			return fmt.Errorf("note that layer %s is given up: %w", d.Short(), err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
