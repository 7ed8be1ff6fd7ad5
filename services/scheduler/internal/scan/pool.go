package scan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // the client half of health checking exists only when this is linked
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
)

// Bounds of a connection to a worker.
const (
	// keepaliveTime and keepaliveTimeout notice a host that vanished without closing its connections within 15 s, as long as
	// calls are in flight. 10 s is the shortest that grpc accepts.
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 5 * time.Second
	// maxReconnect is the longest pause before a worker that was away is tried again: a restart takes seconds, and grpc's
	// own two minutes would leave a healed worker idle.
	maxReconnect   = 5 * time.Second
	connectTimeout = 5 * time.Second
	// describeDeadline bounds a call that reads nothing.
	describeDeadline = 10 * time.Second
)

// serviceConfig routes calls by the hash of their digest header (gRFC A76), so that identical layer calls meet in one
// worker; calls without the header go to a random ready one. A worker that says it does not serve is passed over. There is
// no retry policy: see [retry], which also counts tries and goes elsewhere.
const serviceConfig = `{
	"loadBalancingConfig": [{"` + ringhash.Name + `": {"requestHashHeader": "` + workerv1.HeaderDigest + `"}}],
	"healthCheckConfig": {"serviceName": ""}
}`

// Pool is the connection to all workers.
type Pool struct {
	conn    *grpc.ClientConn
	client  workerv1.WorkerClient
	silence time.Duration // see the constant; tests wait less
}

// Dial prepares connections to the workers: one gRPC target ("dns:///worker:9090", whose addresses are followed as they
// change), or several static host:port. It does not wait for any of them. Close it.
func Dial(targets []string) (*Pool, error) {
	target, options, err := resolveWith(targets)
	if err != nil {
		return nil, fmt.Errorf("scheduler.workers: %w", err)
	}
	options = append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(), // workers stand beside us; a proxy is for registries
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // a TXT record must not change the routing
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithUnaryInterceptor(traced),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect(), MinConnectTimeout: connectTimeout}),
	)
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, fmt.Errorf("scheduler.workers %q: %w", targets, err)
	}
	return &Pool{conn: conn, client: workerv1.NewWorkerClient(conn), silence: silence}, nil
}

// Close closes all connections; calls in flight fail.
func (p *Pool) Close() error { return p.conn.Close() }

// Analyzers asks any ready worker for its analysers; see [Pool.Describe].
func (p *Pool) Analyzers(ctx context.Context) (all []plimsoll.Analyzer, err error) {
	d, err := p.Describe(ctx)
	for _, a := range d.GetAnalyzers() {
		all = append(all, plimsoll.Analyzer{Name: a.GetName(), Version: int(a.GetVersion()), Config: a.GetConfig()})
	}
	return all, err
}

// Describe asks any ready worker for its recipe, analysers and slots, and tries again while none answers. Errors wrap
// plimsoll.ErrUnavailable.
func (p *Pool) Describe(ctx context.Context) (*workerv1.DescribeResponse, error) {
	var got *workerv1.DescribeResponse
	err := retry(ctx, passing, func(ctx context.Context, _ int) error {
		return ask(ctx, describeDeadline, func(ctx context.Context, o ...grpc.CallOption) (err error) {
			got, err = p.client.Describe(ctx, &workerv1.DescribeRequest{}, o...)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("ask a worker for its recipe (is one running at scheduler.workers?): %w", err)
	}
	return got, nil
}

// reconnect is grpc's own back-off (1 s, growing by 1.6 with jitter) with a shorter end.
func reconnect() backoff.Config {
	c := backoff.DefaultConfig
	c.MaxDelay = maxReconnect
	return c
}

// resolveWith gives grpc's form of targets: one as written, several through a resolver of our own.
func resolveWith(targets []string) (string, []grpc.DialOption, error) {
	switch len(targets) {
	case 0:
		return "", nil, fmt.Errorf("%w: no worker is named; give at least one host:port", plimsoll.ErrInvalid)
	case 1:
		return targets[0], nil, nil
	}
	static := manual.NewBuilderWithScheme("plimsoll")
	var state resolver.State
	for _, t := range targets {
		if strings.Contains(t, "://") {
			return "", nil, fmt.Errorf("%w: %q: a target with a scheme must be the only one", plimsoll.ErrInvalid, t)
		}
		address := resolver.Address{Addr: t}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
	}
	static.InitialState(state)
	return "plimsoll:///workers", []grpc.DialOption{grpc.WithResolvers(static)}, nil
}

// routed gives ctx the header that the ring hash routes by. Every further try has another value, so that it goes to another
// worker where there is one, while first calls for the same digest meet.
func routed(ctx context.Context, d plimsoll.Digest, try int) context.Context {
	key := string(d)
	if try > 0 {
		key = fmt.Sprintf("%s/%d", d, try)
	}
	return metadata.AppendToOutgoingContext(ctx, workerv1.HeaderDigest, key)
}
