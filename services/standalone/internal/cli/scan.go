package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/scheduler"
	"github.com/plimsoll/plimsoll/services/standalone/internal/local"
	"github.com/plimsoll/plimsoll/services/standalone/internal/stack"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
	"github.com/plimsoll/plimsoll/workflows"
)

type scanFlags struct {
	advisories, bundleKey, data, format, output, policy string
	wide, all, allowOlder                               bool
}

func (a *app) scan() *cobra.Command {
	var o scanFlags
	c := &cobra.Command{
		Use:   "scan TARGET",
		Short: "Scan a registry, a repository, one image, an OCI layout or a docker archive, once",
		Long: `Scans through the same pipeline as everything else, once. Facts of layers are kept under --data and shared: a layer that
was read before is not read again.

TARGET  REGISTRY[/REPOSITORY[:TAG]]   registry.corp.example/shop/orders:2.3
        oci:DIR[:TAG]                 an OCI layout
        docker-archive:FILE           what "docker save" writes

Exit code: 1 a rule failed (wins), else 2 reading fell short, else 0; 3 the command could not work.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runScan(cmd.Context(), args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.advisories, "advisories", "", "folder or URL in the layout of osv.dev's bucket, or a bundle")
	f.StringVar(&o.bundleKey, "bundle-key", "", "file with the public key that a bundle must be signed for")
	f.BoolVar(&o.allowOlder, "allow-older", false, "take a bundle that knows less than what is known already")
	f.StringVar(&o.data, "data", "", "folder that keeps facts (default: plimsoll in the user's cache folder)")
	f.StringVar(&o.format, "format", "table", "table, json, sarif, cyclonedx or spdx")
	f.StringVar(&o.output, "output", "", "file to write to (default: standard output)")
	f.StringVar(&o.policy, "policy", "", "policy file, baseline or none")
	f.BoolVar(&o.wide, "wide", false, "do not shorten names and paths")
	f.BoolVar(&o.all, "all", false, "list every finding")
	return c
}

// target is what a scan is asked for.
type target struct {
	registry        plimsoll.Registry
	repository, tag string
	serve           *local.Images // the images of a layout or archive; nil for a registry
}

func (a *app) runScan(ctx context.Context, arg string, o scanFlags) (err error) {
	switch o.format {
	case "table", "json", "sarif", "cyclonedx", "spdx":
	default:
		return exit{exitUsage, fmt.Sprintf("--format %q: want table, json, sarif, cyclonedx or spdx", o.format)}
	}
	if o.data == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return exit{exitUsage, "no cache folder for this user: give --data a folder"}
		}
		o.data = filepath.Join(cache, "plimsoll")
	}
	policy := o.policy
	if policy != "none" && policy != "baseline" { // these need no file
		if err := absolute(&policy); err != nil {
			return err
		}
	}
	if err := absolute(&o.data, &o.advisories, &o.bundleKey, &o.output); err != nil {
		return err
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return exit{exitUsage, fmt.Sprintf("--data: %v", err)}
	}
	t, err := parseTarget(arg, o.data)
	if err != nil {
		return err
	}
	if t.serve != nil {
		defer t.serve.Close()
		stop, err := t.listen(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := reachable(ctx, t); err != nil {
		return err
	}
	f := config.Default()
	f.Data, f.Listen, f.Registries = o.data, "127.0.0.1:0", []plimsoll.Registry{t.registry}
	f.Reporter.Advisories, f.Reporter.Policy, f.Reporter.ReportCron = o.advisories, policy, "off"
	f.Reporter.BundleKey, f.Reporter.AllowOlder = o.bundleKey, o.allowOlder
	log, err := a.logger()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan stack.Addresses, 1)
	ended := make(chan error, 1)
	bar := newProgress(a.err)
	go func() {
		ended <- stack.Run(ctx, stack.Options{File: f, Transient: true, FeedFirst: true, Log: log, Started: bar.started, Ready: func(at stack.Addresses) { ready <- at }})
	}()
	var at stack.Addresses
	select {
	case at = <-ready:
	case err := <-ended:
		bar.clear()
		return orCause(ctx, err)
	}
	result := a.scanAt(ctx, at, t, o, bar)
	cancel()
	if err := <-ended; err != nil && result == nil {
		return err
	}
	return result
}

// reachable asks the registry itself before anything is started: a sweep is patient with a registry that is down, a person
// at a prompt is not.
func reachable(ctx context.Context, t target) error {
	if t.serve != nil {
		return nil
	}
	for step := range scheduler.Check(ctx, t.registry) {
		if !step.OK && !step.Skipped {
			return exit{exitShort, fmt.Sprintf("%s: %s: %s\nplimsoll: coverage short: nothing was read. To do: %s",
				t.registry.URL, step.Name, text.Clean(step.Detail), text.Clean(step.Fix))}
		}
		if step.Name == "list" { // the steps after it are the scan's own
			return nil
		}
	}
	return nil
}

// scanAt sweeps the target on a running stack and writes the document.
func (a *app) scanAt(ctx context.Context, at stack.Addresses, t target, o scanFlags, bar *progress) error {
	began := time.Now()
	sweep, err := runSweep(ctx, at, t.registry.ID, bar)
	if err == nil {
		err = awaitPosture(ctx, at, t.registry.ID)
	}
	bar.clear()
	if err != nil {
		return err
	}
	if sweep.Error != "" {
		fmt.Fprintln(a.err, "plimsoll: "+text.Clean(sweep.Error))
		if sweep.Counts.Listed == 0 {
			why := "coverage short: nothing could be listed"
			if t.serve == nil { // a registry that others can ask too
				why += ". Next: plimsoll registry check " + t.registry.URL
			}
			return exit{exitShort, why}
		}
	}
	note := fmt.Sprintf(" · %s", time.Since(began).Round(100*time.Millisecond))
	return a.writeScan(ctx, at, t, o, note)
}

func (a *app) writeScan(ctx context.Context, at stack.Addresses, t target, o scanFlags, note string) (err error) {
	out := a.out
	if o.output != "" {
		file, err := os.Create(o.output)
		if err != nil {
			return exit{exitUsage, fmt.Sprintf("--output: %v", err)}
		}
		defer func() {
			if cerr := file.Close(); cerr != nil && err == nil {
				err = exit{exitUsage, fmt.Sprintf("--output: %v", cerr)}
			}
		}()
		out = file
	}
	api := &remote{server: "http://" + at.HTTP, http: &http.Client{}}
	query := url.Values{"registry": {t.registry.ID}}
	for k, v := range map[string]string{"repository": t.repository, "tag": t.tag} {
		if v != "" {
			query.Set(k, v)
		}
	}
	doc, err := api.document(ctx, query, o.format, out)
	if err != nil {
		return err
	}
	if o.format == "table" {
		p := text.NewPrinter(out)
		p.Wide = o.wide
		var one struct {
			Fixes []fix `json:"fixes"`
		}
		var lineage lineageDocument
		if len(doc.Images) == 1 && len(doc.Images[0].Packages) > 0 {
			at := "/api/v1/images/" + string(doc.Images[0].Digest)
			if err := api.get(ctx, at, nil, &one); err != nil {
				return err
			}
			if err := api.get(ctx, at+"/lineage", nil, &lineage); err != nil {
				return err
			}
		}
		code := shown{Printer: p, all: o.all, note: note, fixes: one.Fixes, lineage: lineage}.document(doc)
		if p.Err() != nil {
			return p.Err()
		}
		return exitOf(code)
	}
	code, _ := doc.exitCode()
	return exitOf(code)
}

func exitOf(code int) error {
	if code == 0 {
		return nil
	}
	return exit{code: code}
}

// document fetches the scan document; another format than table is copied to out as the server writes it, and the document
// is read all the same for the exit code.
func (c *remote) document(ctx context.Context, query url.Values, format string, out io.Writer) (document, error) {
	var doc document
	body, err := c.open(ctx, http.MethodGet, "/api/v1/scan", query, nil)
	if err != nil {
		return doc, err
	}
	defer body.Close()
	var from io.Reader = body
	if format == "json" {
		from = io.TeeReader(body, out)
	}
	if err := json.NewDecoder(from).Decode(&doc); err != nil {
		return doc, fmt.Errorf("scan document: %w", err)
	}
	if format == "json" {
		_, err := io.Copy(io.Discard, from) // the newline after the document
		return doc, err
	}
	if format != "table" {
		query.Set("format", format)
		other, err := c.open(ctx, http.MethodGet, "/api/v1/scan", query, nil)
		if err != nil {
			return doc, err
		}
		defer other.Close()
		_, err = io.Copy(out, other)
		return doc, err
	}
	return doc, nil
}

// runSweep starts or joins the registry's sweep and waits for its end.
func runSweep(ctx context.Context, at stack.Addresses, registry string, bar *progress) (plimsoll.Sweep, error) {
	var sweep plimsoll.Sweep
	c, err := client.DialContext(ctx, client.Options{HostPort: at.File.Temporal.Address, Namespace: at.File.Temporal.Namespace, Logger: quiet{}})
	if err != nil {
		return sweep, fmt.Errorf("temporal: %w", err)
	}
	defer c.Close()
	run, err := c.ExecuteWorkflow(ctx, workflows.SweepOptions(registry), workflows.SweepRegistry, workflows.SweepInput{Registry: registry, Actor: "scan"})
	if err != nil {
		return sweep, fmt.Errorf("start the sweep: %w", err)
	}
	stop := bar.follow(ctx, func(ctx context.Context) (s plimsoll.Sweep, err error) {
		v, err := c.QueryWorkflow(ctx, run.GetID(), "", workflows.QueryProgress)
		if err == nil {
			err = v.Get(&s)
		}
		return s, err
	})
	defer stop()
	if err := run.Get(ctx, &sweep); err != nil {
		return sweep, fmt.Errorf("sweep: %w", orCause(ctx, err))
	}
	return sweep, nil
}

// awaitPosture waits until the reporter has folded in all that the sweep wrote.
func awaitPosture(ctx context.Context, at stack.Addresses, registry string) error {
	store, err := blob.Open(ctx, at.File.Bucket)
	if err != nil {
		return err
	}
	defer store.Close()
	want, err := store.Position(ctx, registry)
	if err != nil {
		return err
	}
	api := &remote{server: "http://" + at.HTTP, http: &http.Client{}}
	return every(ctx, 50*time.Millisecond, func() (bool, error) {
		var status struct {
			Position map[string]int64 `json:"position"`
		}
		if err := api.get(ctx, "/api/v1/status", nil, &status); err != nil {
			return false, err
		}
		return status.Position[registry] >= want, nil
	})
}

// parseTarget understands what people give to scan; scratch is for compressed archives.
func parseTarget(arg, scratch string) (target, error) {
	if strings.HasPrefix(arg, "oci:") || strings.HasPrefix(arg, "docker-archive:") {
		images, tag, err := local.Open(arg, scratch)
		if err != nil {
			return target{}, exit{exitUsage, err.Error()}
		}
		_, path, _ := strings.Cut(arg, ":")
		abs, err := filepath.Abs(strings.TrimSuffix(path, ":"+tag))
		if err != nil {
			return target{}, err
		}
		kind, _, _ := strings.Cut(arg, ":")
		r := plimsoll.Registry{ID: "local-" + plimsoll.DigestOf([]byte(kind+":"+abs)).Short(), Label: kind + ":" + filepath.Dir(abs)}
		r.Sweep.Cron = "off"
		return target{registry: r, tag: tag, serve: images}, nil
	}
	scheme, rest := "", arg
	if i := strings.Index(arg, "://"); i >= 0 {
		scheme, rest = arg[:i+3], arg[i+3:]
	}
	host, path, _ := strings.Cut(rest, "/")
	if scheme == "" && !strings.ContainsAny(host, ".:") && host != "localhost" {
		return target{}, exit{exitUsage, fmt.Sprintf("target %q: name its registry first, as in registry.corp.example/%s; or oci:DIR, docker-archive:FILE", arg, arg)}
	}
	r, err := registryOf(scheme + host)
	if err != nil {
		return target{}, err
	}
	r.Sweep.Cron = "off"
	t := target{registry: r, repository: path}
	if strings.Contains(path, "@") {
		return target{}, exit{exitUsage, fmt.Sprintf("target %q: a digest cannot be listed; name a tag", arg)}
	}
	if i := strings.LastIndex(path, ":"); i >= 0 {
		t.repository, t.tag = path[:i], path[i+1:]
		if err := plimsoll.CheckTag(t.tag); err != nil {
			return target{}, exit{exitUsage, err.Error()}
		}
	}
	if t.repository != "" {
		if err := plimsoll.CheckRepository(t.repository); err != nil {
			return target{}, exit{exitUsage, err.Error()}
		}
		t.registry.Repositories = []string{t.repository}
		if t.tag != "" {
			t.registry.Include = []string{t.repository + ":" + t.tag}
		}
	}
	return t, nil
}

// listen serves a layout's images on loopback and points the registry there. Its URL, which reasons tell, names no port of today.
func (t *target) listen(ctx context.Context) (stop func(), err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the images on loopback: %w", err)
	}
	server := &http.Server{Handler: t.serve, ReadHeaderTimeout: 15 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "plimsoll: serving the images ended: "+err.Error())
		}
	}()
	t.registry.URL, t.registry.Address, t.registry.Proxy = "http://images", l.Addr().String(), "none"
	return func() { server.Close(); <-done }, nil
}

// orCause prefers why ctx was cancelled to the error that the cancellation gave.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exit{exitUsage, "interrupted"}
	}
	return err
}

// quiet keeps Temporal's client from logging beside the command's own output.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
