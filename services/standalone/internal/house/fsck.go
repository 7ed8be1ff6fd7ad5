package house

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Fault is one thing that is wrong in the bucket.
type Fault struct {
	Key      string `json:"key"`
	What     string `json:"what"`
	Costs    string `json:"costs"`
	Do       string `json:"do"`
	Repaired bool   `json:"repaired"`
}

// Checked is what a check found.
type Checked struct {
	Objects map[string]int   `json:"objects"` // by prefix; "" counts what is none of ours
	Bytes   map[string]int64 `json:"bytes"`   // stored
	Faults  []Fault          `json:"faults"`  // at most maxFaults
	More    int              `json:"more"`    // beyond them
	Left    int              `json:"left"`    // of all: not repaired
	Reread  int              `json:"reread"`  // tags that the next sweep reads again
}

// CheckOptions say what a check may change.
type CheckOptions struct {
	// Repair deletes what is wrong and derivable: whoever needs it makes it again. Nothing else is touched.
	Repair   bool
	Actor    string
	Now      func() time.Time
	Progress Progress
}

// Check reads every object of the bucket and compares it with its key, its sum and what it names. Objects are fetched side by side
// and looked at one by one, so that it needs the memory of one, however large somebody made them. What is being written while
// it runs is looked at again before it is called wrong.
func Check(ctx context.Context, s *blob.Store, o CheckOptions) (Checked, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &check{store: s, o: o, out: Checked{Objects: map[string]int{}, Bytes: map[string]int64{}}, packs: map[string]bool{}}
	for _, k := range kinds {
		if err := c.kind(ctx, &k); err != nil {
			return c.out, fmt.Errorf("fsck %s: %w", k.prefix, err)
		}
	}
	for _, step := range []func(context.Context) error{c.foreign, c.streams, c.repositories, c.inventories} {
		if err := step(ctx); err != nil {
			return c.out, fmt.Errorf("fsck: %w", err)
		}
	}
	return c.out, nil
}

type check struct {
	store *blob.Store
	o     CheckOptions
	out   Checked
	packs map[string]bool // that were looked for: whether they stand
}

// kind reads the objects of one part.
func (c *check) kind(ctx context.Context, k *kind) error {
	entries := func(yield func(blob.Entry, error) bool) {
		for e, err := range c.store.List(ctx, k.prefix, "") {
			c.out.Objects[k.prefix]++
			c.out.Bytes[k.prefix] += e.Size
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
	n := 0
	return eachInOrder(ctx, entries, c.fetch, func(f fetched, err error) error {
		n++
		c.o.Progress.tell(k.prefix, n, 0)
		switch {
		case errors.Is(err, plimsoll.ErrNotFound): // it went meanwhile
			return nil
		case errors.Is(err, plimsoll.ErrLimit):
			return c.bad(ctx, k, f.Key, err)
		case err != nil:
			return err
		}
		if err := c.object(ctx, k, f.Stored); err != nil {
			return c.again(ctx, k, f.Key, err)
		}
		return nil
	})
}

type fetched struct{ blob.Stored }

func (c *check) fetch(ctx context.Context, e blob.Entry) (fetched, error) {
	o, err := c.store.GetStored(ctx, e.Key)
	o.Key = e.Key
	return fetched{o}, err
}

// again looks at an object once more before it is called wrong: it, or what it names, may have changed meanwhile.
func (c *check) again(ctx context.Context, k *kind, key string, was error) error {
	if !isWrong(was) {
		return was
	}
	o, err := c.store.GetStored(ctx, key)
	switch {
	case errors.Is(err, plimsoll.ErrNotFound):
		return nil
	case err != nil && !isWrong(err):
		return err
	case err == nil:
		err = c.object(ctx, k, o)
	}
	if err == nil || !isWrong(err) {
		return err
	}
	return c.bad(ctx, k, key, err)
}

// isWrong tells what is wrong with an object from trouble with the store.
func isWrong(err error) bool {
	return errors.Is(err, plimsoll.ErrIntegrity) || errors.Is(err, plimsoll.ErrLimit)
}

// bad notes a fault of an object, and mends it where that is asked for and nothing is lost by it.
func (c *check) bad(ctx context.Context, k *kind, key string, err error) error {
	f := Fault{Key: key, What: err.Error(), Costs: k.lost, Do: k.mend}
	if c.o.Repair && k.derivable {
		if err := c.store.Delete(ctx, key); err != nil {
			return err
		}
		f.Repaired = true
	}
	c.add(f)
	return nil
}

func (c *check) add(f Fault) {
	if !f.Repaired {
		c.out.Left++
	}
	if len(c.out.Faults) < maxFaults {
		c.out.Faults = append(c.out.Faults, f)
	} else {
		c.out.More++
	}
}

// foreign counts keys that are none of ours.
func (c *check) foreign(ctx context.Context) error {
	for e, err := range c.store.List(ctx, "", "") {
		if err != nil {
			return err
		}
		switch {
		case e.Key == blob.RestoringKey:
			c.add(Fault{Key: e.Key, What: "a restore was cut", Costs: "no part of Plimsoll starts on this bucket", Do: "run plimsoll restore again with the same backup"})
		case kindOf(e.Key) == nil:
			c.out.Objects[""]++
			c.out.Bytes[""] += e.Size
			c.add(Fault{Key: e.Key, What: "no object of this Plimsoll's", Costs: "nothing but its space", Do: "look who wrote it; a newer Plimsoll may have"})
		}
	}
	return nil
}

// streams looks for gaps in the change log.
func (c *check) streams(ctx context.Context) error {
	all, err := c.store.Streams(ctx)
	if err != nil {
		return err
	}
	for _, stream := range all {
		c.o.Progress.tell("gaps of "+stream, 0, 0)
		_, err := c.store.Position(ctx, stream)
		var gap *blob.GapError
		switch {
		case errors.As(err, &gap):
			c.add(Fault{
				Key: blob.ChangeKey(stream, gap.Missing), What: err.Error(),
				Costs: "history stops there: the posture follows that stream no further", Do: fromBackup,
			})
			continue
		case err != nil:
			return err
		}
		if err := c.holes(ctx, stream); err != nil {
			return err
		}
	}
	return nil
}

// holes goes over a stream's numbers by listing alone.
func (c *check) holes(ctx context.Context, stream string) error {
	numbers, spans, err := numbersOf(ctx, c.store, stream)
	if err != nil {
		return err
	}
	next := int64(1)
	for _, x := range slices.Concat(spans, numbers) {
		if x.first > next {
			// It may have been merged between the two listings: the store knows.
			for _, err := range c.store.StoredChanges(ctx, stream, x.first) {
				if isWrong(err) {
					c.add(Fault{Key: blob.ChangeKey(stream, next), What: err.Error(), Costs: kindOf(blob.PrefixChanges).lost, Do: fromBackup})
					return nil
				}
				if err != nil {
					return err
				}
			}
		}
		next = max(next, x.last+1)
	}
	return nil
}
