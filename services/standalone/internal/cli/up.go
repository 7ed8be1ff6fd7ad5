package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/standalone/internal/stack"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) up() *cobra.Command {
	var o struct {
		config, data, listen, advisories string
		bundleKey                        string
		allowOlder                       bool
		registries                       []string
	}
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, with embedded NATS, Temporal and S3",
		Long: `Runs scheduler, worker and reporter in one process with embedded NATS, Temporal and S3 under --data, on one listener.
Everything resumes after a restart. A configuration file may set the same and more (docs/configuration.md): a NATS, Temporal or
S3 that it has an address for is used in place of the embedded one.`,
		Example: `  plimsoll up --registry https://registry.corp.example --advisories https://osv-vulnerabilities.storage.googleapis.com
  plimsoll up --config plimsoll.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readConfig(o.config)
			if err != nil {
				return err
			}
			set(&f.Data, o.data)
			set(&f.Listen, o.listen)
			set(&f.Reporter.Advisories, o.advisories)
			set(&f.Reporter.BundleKey, o.bundleKey)
			f.Reporter.AllowOlder = f.Reporter.AllowOlder || o.allowOlder
			for _, raw := range o.registries {
				r, err := registryOf(raw)
				if err != nil {
					return err
				}
				f.Registries = append(f.Registries, r)
			}
			if err := absolute(&f.Data, &f.Reporter.Advisories, &f.Reporter.BundleKey, &f.Reporter.Policy, &f.TokensFile); err != nil {
				return err
			}
			if err := f.Validate(); err != nil {
				return err
			}
			return a.runUp(cmd.Context(), f)
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration file")
	c.Flags().StringVar(&o.data, "data", "", "folder that holds everything (default ./plimsoll-data)")
	c.Flags().StringVar(&o.listen, "listen", "", "address of pages, API and hooks (default 127.0.0.1:8080)")
	c.Flags().StringArrayVar(&o.registries, "registry", nil, "registry to watch, as https://host or http://host:port; may be repeated")
	c.Flags().StringVar(&o.advisories, "advisories", "", "folder or URL in the layout of osv.dev's bucket, or a bundle")
	c.Flags().StringVar(&o.bundleKey, "bundle-key", "", "file with the public key that a bundle must be signed for")
	c.Flags().BoolVar(&o.allowOlder, "allow-older", false, "take a bundle that knows less than what is known already")
	return c
}

func (a *app) runUp(ctx context.Context, f config.File) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	p := text.NewPrinter(a.out)
	p.Line("starting Plimsoll %s, data in %s", version, f.Data)
	for _, engine := range []struct{ name, address string }{{"NATS", f.NATS.URL}, {"Temporal", f.Temporal.Address}, {"S3", f.Bucket.Endpoint}} {
		if engine.address != "" {
			p.Line("  %s is the one that the configuration names, not the embedded one", engine.name)
		}
	}
	return stack.Run(ctx, stack.Options{File: f, Log: log, Ready: func(at stack.Addresses) {
		p.Line("ready at http://%s", at.HTTP)
		for _, r := range f.Registries {
			p.Line("  registry %-20s %s   hook: http://%s/hooks/%s   sweep now: plimsoll sweep start %s%s", r.ID, r.URL, at.HTTP, r.ID, r.ID, whereabouts(at.HTTP, f))
		}
		if len(f.Registries) == 0 {
			p.Line("  no registry yet: give --registry URL, or registries in --config")
		}
		if f.Reporter.Advisories == "" {
			p.Line("  no advisories yet: give --advisories DIR or URL; until then every verdict is unknown")
		}
	}})
}

// whereabouts are the flags that a command needs to reach this Plimsoll from the folder it was started in.
func whereabouts(address string, f config.File) (flags string) {
	if server := "http://" + address; server != defaultServer {
		flags += " --server " + server
	}
	if own := filepath.Join(f.Data, filepath.Base(ownToken)); f.TokensFile == "" && !sameFile(own, ownToken) {
		flags += " --token-file " + own
	}
	return flags
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func readConfig(path string) (config.File, error) {
	if path == "" {
		return config.Default(), nil
	}
	if err := absolute(&path); err != nil {
		return config.File{}, err
	}
	return config.Read(path, os.Environ())
}

func set(field *string, flag string) {
	if flag != "" {
		*field = flag
	}
}

// registryOf makes a registry of what people type after --registry or scan: a URL or a host. Loopback hosts speak plain
// HTTP, as registries on a developer's machine do; all others HTTPS unless the URL says otherwise.
func registryOf(raw string) (plimsoll.Registry, error) {
	target := raw
	if !strings.Contains(raw, "://") {
		scheme := "https://"
		if loopbackHost(raw) {
			scheme = "http://"
		}
		target = scheme + raw
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
		return plimsoll.Registry{}, exit{exitUsage, fmt.Sprintf("registry %q: want https://host[:port] or http://host[:port]", raw)}
	}
	return plimsoll.Registry{ID: registryID(u.Host), URL: u.Scheme + "://" + u.Host}, nil
}

func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// registryID is the host as an id: it stands in object keys, so the same host always gives the same one.
func registryID(host string) string {
	const most = 63
	id := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host)), "-")
	if len(id) > most || id == "" {
		sum := sha256.Sum256([]byte(host))
		id = strings.Trim(id[:min(len(id), 40)], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	return id
}
