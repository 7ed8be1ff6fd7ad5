package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	namespace   = "default"
	clusterName = "active"
	// historyShards is written into the database when it is created and cannot change later.
	historyShards = 1
)

// startTemporal runs all four Temporal services in this process over one SQLite database and returns when a workflow
// could be started.
func startTemporal(ctx context.Context, dir string, o Options) (Temporal, stopFunc, error) {
	db, err := openDatabase(dir, o.Transient)
	if err != nil {
		return Temporal{}, nil, fmt.Errorf("start temporal: %w", err)
	}
	log := newTemporalLog(o.Log)
	srv, address, err := runTemporal(db, o.TemporalTLS, log)
	if err != nil {
		return Temporal{}, nil, fmt.Errorf("start temporal: %w", err)
	}
	stop := func(ctx context.Context) error {
		log.level.Set(levelQuiet)
		if err := wait(ctx, "temporal", func() { _ = srv.Stop() }); err != nil {
			return err
		}
		return db.close(ctx)
	}
	t := Temporal{Address: address, Namespace: namespace}
	if err := awaitTemporal(ctx, t, o.TemporalTLS); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return Temporal{}, nil, errors.Join(fmt.Errorf("start temporal: %w", err), stop(stopCtx))
	}
	log.level.Set(levelRun)
	return t, stop, nil
}

// runTemporal starts the server, again and on other ports when it gave up: because another process took one of ours in
// between, or because its services, on a busy machine, did not answer each other in time.
func runTemporal(db database, files *TLSFiles, log temporalLog) (srv temporal.Server, address string, err error) {
	const tries = 3
	for range tries {
		ports, perr := freePorts(len(services()))
		if perr != nil {
			return nil, "", perr
		}
		cfg := serverConfig(db, ports)
		files.secure(cfg)
		if srv, err = newServer(cfg, log); err == nil {
			return srv, hostPort(ports[0]), nil
		}
		if !errors.As(err, new(fatalError)) {
			return nil, "", err
		}
	}
	return nil, "", err
}

// newServer builds and starts a server. A fatal error of either step is the first of the error's parts.
func newServer(cfg *config.Config, log temporalLog) (temporal.Server, error) {
	log.fatal.first.Store(nil)
	srv, err := buildServer(cfg, log)
	if err != nil {
		return nil, fmt.Errorf("build server: %w", err)
	}
	if err := srv.Start(); err != nil {
		_ = srv.Stop()
		if fatal := log.fatal.first.Load(); fatal != nil {
			err = errors.Join(*fatal, err)
		}
		return nil, fmt.Errorf("start services: %w", err)
	}
	return srv, nil
}

func buildServer(cfg *config.Config, log temporalLog) (srv temporal.Server, err error) {
	log.fatal.building.Store(true)
	defer func() {
		log.fatal.building.Store(false)
		r := recover()
		if fatal, ok := r.(fatalError); ok {
			srv, err = nil, fatal
		} else if r != nil {
			panic(r)
		}
	}()
	return temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(staticHosts(cfg)),
		temporal.WithLogger(log),
		temporal.WithDynamicConfigClient(tuning()),
		temporal.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
	)
}

// services in the order of the ports given to serverConfig; the frontend first, since clients need its address.
func services() []primitives.ServiceName {
	return []primitives.ServiceName{
		primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	}
}

// serverConfig is the whole static configuration: one cluster, one host, one database, no archival, no metrics, no pprof.
func serverConfig(db database, ports []int) *config.Config {
	cfg := &config.Config{
		// The server gives its services twice this time to start, and 15 s when it is not set.
		Global:   config.Global{Membership: config.Membership{MaxJoinDuration: startTimeout / 2}},
		Services: map[string]config.Service{},
		Persistence: config.Persistence{
			DefaultStore:     mainStore,
			VisibilityStore:  visibilityStore,
			NumHistoryShards: historyShards,
			DataStores:       map[string]config.DataStore{mainStore: {SQL: db.main}, visibilityStore: {SQL: db.visibility}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: hostPort(ports[0])},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: hostPort(ports[0])},
	}
	for i, name := range services() {
		cfg.Services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: ports[i], BindOnIP: loopback}}
	}
	return cfg
}

// staticHosts names every service's only host, so that no membership protocol runs: its gossip, join delays and failure
// detection serve clusters, and here they only delay the start and let a busy machine look dead to itself.
func staticHosts(cfg *config.Config) map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for _, name := range services() {
		hosts[name] = static.SingleLocalHost(hostPort(cfg.Services[string(name)].RPC.GRPCPort))
	}
	return hosts
}

// awaitTemporal returns when the whole path of a request works: the frontend answers, knows the namespace, and history
// owns its shard, which is then able to say that it has no such workflow.
func awaitTemporal(ctx context.Context, t Temporal, files *TLSFiles) error {
	secured, err := files.client()
	if err != nil {
		return err
	}
	c, err := client.NewLazyClient(client.Options{HostPort: t.Address, Namespace: t.Namespace, Logger: silent{},
		ConnectionOptions: client.ConnectionOptions{TLS: secured}})
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer c.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		call, cancel := context.WithTimeout(ctx, time.Second)
		_, err := c.DescribeWorkflowExecution(call, "no-such-workflow", "")
		cancel()
		var notFound *serviceerror.NotFound
		if errors.As(err, &notFound) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

// silent is the logger of the client that probes for readiness, whose failures are expected.
type silent struct{}

var _ sdklog.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
