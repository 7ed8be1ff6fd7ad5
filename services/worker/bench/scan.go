package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // the client half of health checking exists only when this is linked
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
)

// registryID is the registry's name in the worker's configuration.
const registryID = "bench"

// describeLimit bounds the wait for workers that have just been started.
const describeLimit = 30 * time.Second

// serviceConfig routes as the scheduler's does: layer calls by the hash of their digest, others to any ready worker.
const serviceConfig = `{
	"loadBalancingConfig": [{"` + ringhash.Name + `": {"requestHashHeader": "` + workerv1.HeaderDigest + `"}}],
	"healthCheckConfig": {"serviceName": ""}
}`

// caller calls workers as the scheduler does.
type caller struct {
	conn      *grpc.ClientConn
	worker    workerv1.WorkerClient
	recipe    string
	analyzers []string
}

// dial connects to workers and waits until one answers.
func dial(ctx context.Context, addresses []string) (*caller, error) {
	static := manual.NewBuilderWithScheme("bench")
	var state resolver.State
	for _, a := range addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	static.InitialState(state)
	conn, err := grpc.NewClient("bench:///workers", grpc.WithResolvers(static), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(), grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return nil, err
	}
	c := &caller{conn: conn, worker: workerv1.NewWorkerClient(conn)}
	ctx, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	d, err := c.worker.Describe(ctx, &workerv1.DescribeRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("describe: %w", err), conn.Close())
	}
	c.recipe = d.GetRecipe()
	for _, a := range d.GetAnalyzers() {
		c.analyzers = append(c.analyzers, a.GetName())
	}
	return c, nil
}

func (c *caller) close() error { return c.conn.Close() }

// scan takes one image the whole way, slots layers at once. short says what was not read whole, with its reason: numbers of
// such a run are of less work than they seem.
func (c *caller) scan(ctx context.Context, i image, slots int) (short map[string]string, err error) {
	repository := repositoryOf(i)
	r, err := c.worker.Resolve(ctx, &workerv1.ResolveRequest{Registry: registryID, Repository: repository, Tag: tag})
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", i.Name, err)
	}
	if r.GetNotApplicable() != "" {
		return nil, fmt.Errorf("resolve %s: it is no image: %s", i.Name, r.GetNotApplicable())
	}
	missing := r.GetMissing()
	err = each(ctx, len(missing), slots, func(ctx context.Context, n int) error { return c.analyze(ctx, repository, missing[n]) })
	if err != nil {
		return nil, fmt.Errorf("analyze %s: %w", i.Name, err)
	}
	short = map[string]string{}
	for _, one := range r.GetImages() {
		if one.GetFailed() != "" {
			return nil, fmt.Errorf("resolve %s: %s", i.Name, one.GetFailed())
		}
		a, err := c.worker.Assemble(ctx, &workerv1.AssembleRequest{Image: one.GetDigest(), Recipe: c.recipe})
		if err != nil {
			return nil, fmt.Errorf("assemble %s: %w", i.Name, err)
		}
		if a.GetPartial() {
			return nil, fmt.Errorf("assemble %s: layers lack facts", i.Name)
		}
		for name, cover := range a.GetRead() {
			if cover.GetReason() != "" {
				short[name] = cover.GetState() + ": " + cover.GetReason()
			}
		}
	}
	return short, nil
}

// analyze has one layer read, routed by its digest.
func (c *caller) analyze(ctx context.Context, repository string, l *workerv1.Layer) error {
	ctx = metadata.AppendToOutgoingContext(ctx, workerv1.HeaderDigest, l.GetDigest())
	stream, err := c.worker.Analyze(ctx, &workerv1.AnalyzeRequest{Registry: registryID, Repository: repository, Layer: l, Recipe: c.recipe})
	if err != nil {
		return err
	}
	done := false
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.GetDigest(), err)
		}
		done = m.GetDone()
	}
	if !done {
		return fmt.Errorf("layer %s: the worker's answers ended without a result", l.GetDigest())
	}
	return nil
}

// each calls do for 0…n-1, at most parallel at once, and gives the first error; no call starts after one.
func each(ctx context.Context, n, parallel int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var all sync.WaitGroup
	for range min(n, parallel) {
		all.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	all.Wait()
	return context.Cause(ctx)
}
