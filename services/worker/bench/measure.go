package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// coldRun is one run of a variant on an image.
type coldRun struct {
	cost
	idle   int64         // memory before the image, bytes
	start  time.Duration // processor time until it was ready and warm
	served int64         // bytes of layers that the registry sent
	short  map[string]string
}

// series is what one variant did with one image.
type series struct {
	cpu  map[int]float64 // seconds, by round
	runs []coldRun
}

// results is everything measured, by image.
type results struct {
	images   []image
	variants []variant
	peers    []peer
	machine  string
	rounds   int
	floor    map[string]map[int]float64            // seconds, by image and round
	ours     map[string]map[string]*series         // by image and variant
	others   map[string]map[string]map[int]float64 // seconds, by image, peer and round
	failed   []string                              // peers' runs without a number, each with its reason
	fleet    []fleetRun
}

func newResults(images []image, o options, machine string) *results {
	r := &results{
		images: images, variants: o.variants, machine: machine, rounds: o.rounds, floor: map[string]map[int]float64{},
		ours: map[string]map[string]*series{}, others: map[string]map[string]map[int]float64{},
	}
	for _, i := range images {
		r.floor[i.Name], r.ours[i.Name], r.others[i.Name] = map[int]float64{}, map[string]*series{}, map[string]map[int]float64{}
		for _, v := range o.variants {
			r.ours[i.Name][v.Name] = &series{cpu: map[int]float64{}}
		}
	}
	return r
}

// measureAll runs everything round by round. In a round the images come in a drawn order, and so do the programs of an
// image, which run one after the other: what else the machine does in those seconds weighs on all of them.
func measureAll(ctx context.Context, o options, b *bed, p programs, images []image, all *results, say func(string, ...any)) error {
	order := rand.New(rand.NewPCG(o.seed, 0))
	given := map[string]bool{}
	all.peers = p.peers
	for _, i := range images {
		b.registry.add(i)
	}
	for round := range o.rounds {
		start := time.Now()
		for _, n := range order.Perm(len(images)) {
			i := images[n]
			tasks := programTasks(o, b, p, i, round, all, given, say)
			for _, t := range order.Perm(len(tasks)) {
				if err := tasks[t](ctx); err != nil {
					return fmt.Errorf("round %d, %s: %w", round+1, i.Name, err)
				}
			}
		}
		say("round %d of %d took %s", round+1, o.rounds, time.Since(start).Round(time.Second))
	}
	return nil
}

// programTasks are the runs of one image in one round. A peer that fails on an image, or takes too long, is given up for it.
func programTasks(o options, b *bed, p programs, i image, round int, all *results, given map[string]bool, say func(string, ...any)) (tasks []func(context.Context) error) {
	if p.floor != "" {
		tasks = append(tasks, func(ctx context.Context) error {
			cpu, err := processor(ctx, p.floor, []string{i.Dir, i.Name}, nil, nil)
			all.floor[i.Name][round] = cpu.Seconds()
			return err
		})
	}
	for _, v := range o.variants {
		tasks = append(tasks, func(ctx context.Context) error {
			r, err := b.measure(ctx, v, i)
			s := all.ours[i.Name][v.Name]
			s.runs = append(s.runs, r)
			s.cpu[round] = r.cpu.Seconds()
			return err
		})
	}
	for _, other := range p.peers {
		key := other.name + " " + i.Name
		if round >= o.peerRounds || given[key] {
			continue
		}
		tasks = append(tasks, func(ctx context.Context) error {
			cpu, err := other.run(ctx, i, o.work, b.dir)
			if err != nil && ctx.Err() == nil {
				given[key] = true
				all.failed = append(all.failed, err.Error())
				say("%s", oneLine(err.Error()))
				return nil
			}
			if all.others[i.Name][other.name] == nil {
				all.others[i.Name][other.name] = map[int]float64{}
			}
			all.others[i.Name][other.name][round] = cpu.Seconds()
			return err
		})
	}
	return tasks
}

// measure is one cold run: an empty bucket, a new worker, warmed by another image.
func (b *bed) measure(ctx context.Context, v variant, i image) (r coldRun, err error) {
	bucket, remove := b.newBucket()
	defer remove()
	w, err := b.start(ctx, v, bucket, b.slots)
	if err != nil {
		return r, err
	}
	defer w.stop()
	c, err := dial(ctx, []string{w.address})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.scan(ctx, b.warmUp, b.slots); err != nil {
		return r, fmt.Errorf("warm up: %w: %s", err, w.said)
	}
	b.registry.layerBytes()
	if r.start, err = w.account.usage(); err != nil {
		return r, err
	}
	if r.idle, err = memory(w.account); err != nil {
		return r, err
	}
	m, err := startMeter(w.account, w.temp)
	if err != nil {
		return r, err
	}
	short, err := c.scan(ctx, i, b.slots)
	cost, merr := m.finish()
	if err = errors.Join(err, merr); err != nil {
		return r, fmt.Errorf("%s: %w: %s", v.Name, err, w.said)
	}
	r.cost, r.short, r.served = cost, short, b.registry.layerBytes()
	return r, nil
}

// most is the greatest of a number of all runs: bounds are for the worst.
func (s *series) most(of func(coldRun) int64) (n int64) {
	for _, r := range s.runs {
		n = max(n, of(r))
	}
	return n
}

// shortOf lists what an image's runs did not read whole.
func (s *series) shortOf() []string {
	all := map[string]bool{}
	for _, r := range s.runs {
		for name, why := range r.short {
			all[name+" "+why] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
