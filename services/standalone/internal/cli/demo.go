package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/standalone/internal/demo"
	"github.com/plimsoll/plimsoll/services/standalone/internal/front"
	"github.com/plimsoll/plimsoll/services/standalone/internal/stack"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) demo() *cobra.Command {
	var o struct{ data, listen, advisories, registry string }
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run everything with a sample registry and sample images",
		Long: `Runs everything embedded, with a registry in memory and sample images that go through registry, hook, queue, workflow, worker and
bucket like any others. The sample advisories are facts carried in the program; --advisories replaces them. Push images of your own
to the sample registry, and they appear.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := config.Default()
			f.Data = o.data
			if f.Data == "" {
				dir, err := os.MkdirTemp("", "plimsoll-demo-*")
				if err != nil {
					return err
				}
				defer os.RemoveAll(dir)
				f.Data = dir
			}
			set(&f.Listen, o.listen)
			f.Reporter.Advisories = o.advisories
			if err := absolute(&f.Data, &f.Reporter.Advisories); err != nil {
				return err
			}
			return a.runDemo(cmd.Context(), f, o.registry)
		},
	}
	c.Flags().StringVar(&o.data, "data", "", "folder that holds everything (default: a temporary one)")
	c.Flags().StringVar(&o.listen, "listen", "", "address of pages, API and hooks (default 127.0.0.1:8080)")
	c.Flags().StringVar(&o.advisories, "advisories", "", "folder or URL in the layout of osv.dev's bucket, in place of the sample's")
	c.Flags().StringVar(&o.registry, "registry-listen", "127.0.0.1:5000", "address of the sample registry")
	return c
}

func (a *app) runDemo(ctx context.Context, f config.File, registryListen string) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	p := text.NewPrinter(a.out)
	p.Line("Plimsoll %s: starting embedded NATS, Temporal and S3, and a sample registry", version)
	if f.Reporter.Advisories == "" {
		f.Reporter.Advisories = filepath.Join(f.Data, "demo-advisories")
		if err := demo.WriteAdvisories(f.Reporter.Advisories); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return exit{exitUsage, fmt.Sprintf("--data: %v", err)}
	}
	secretFile := filepath.Join(f.Data, "demo-hook-secret")
	secret := rand.Text()
	if err := os.WriteFile(secretFile, []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("sample hook secret: %w", err)
	}
	listener, err := front.Listen(ctx, "--registry-listen", registryListen)
	if err != nil {
		return fmt.Errorf("sample registry: %w", err)
	}
	defer listener.Close()
	host := listener.Addr().String()
	f.Registries = []plimsoll.Registry{{ID: "demo", URL: "http://" + host, Hook: plimsoll.Hook{SecretFile: secretFile}}}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	samples := &sampleRegistry{listener: listener, secret: secret, log: log}
	defer samples.close()
	err = stack.Run(ctx, stack.Options{File: f, FeedFirst: true, Log: log, Ready: func(at stack.Addresses) {
		samples.start(ctx, "http://"+at.HTTP+"/hooks/demo", func() {
			if err := a.pushSamples(ctx, p, at, host); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}})
	if err == nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Cause(ctx)
	}
	return err
}

// sampleRegistry serves the sample images once the hook's address is known.
type sampleRegistry struct {
	listener net.Listener
	secret   string
	log      *slog.Logger
	registry *imagetest.Registry
	server   *http.Server
	running  sync.WaitGroup
}

// start serves, and fills the registry in a goroutine that close waits for.
func (s *sampleRegistry) start(ctx context.Context, hook string, fill func()) {
	s.registry = imagetest.NewRegistry(imagetest.RegistryOptions{Notify: hook, Secret: s.secret, Log: s.log})
	s.server = &http.Server{Handler: s.registry, ReadHeaderTimeout: 15 * time.Second}
	s.running.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(ctx, "sample registry ended", "error", err)
		}
	})
	s.running.Go(fill)
}

func (s *sampleRegistry) close() {
	if s.registry == nil {
		return
	}
	s.registry.Close()
	s.server.Close()
	s.running.Wait()
}

// pushSamples fills the registry and tells where to look.
func (a *app) pushSamples(ctx context.Context, p *text.Printer, at stack.Addresses, host string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	samples, err := demo.Samples(self)
	if err != nil {
		return err
	}
	began := time.Now()
	p.Line("")
	p.Line("pushing %d sample images to %s; each push is a notification, a scan and a verdict:", len(samples), host)
	for _, s := range samples {
		if err := demo.Push(ctx, host, s); err != nil {
			return err
		}
		p.Line("  %-25s %s", s.Repository+":"+s.Tag, s.Shows)
	}
	if err := awaitTags(ctx, at, len(samples)); err != nil {
		return err
	}
	p.Line("")
	p.Line("all judged %.1f s after the first push. Look at", time.Since(began).Seconds())
	p.Line("  http://%s                     what is below the line, and why", at.HTTP)
	p.Line("  http://%s/images              every image; open shop/web:1.0", at.HTTP)
	p.Line("  http://%s/images?secret=yes   a secret that a later layer hid; open team/leaky:1.0", at.HTTP)
	p.Line("  http://%s/coverage            what was read and what was not", at.HTTP)
	p.Line("push one of yours:  skopeo copy --dest-tls-verify=false docker-archive:X.tar docker://%s/x:1", host)
	p.Line("scan from here:     plimsoll scan %s/shop/web:1.0 \\", host)
	p.Line("                      --advisories %s", at.File.Reporter.Advisories)
	p.Line("stop: Ctrl-C")
	return p.Err()
}

// awaitTags waits until that many tags have a verdict, or none can be formed.
func awaitTags(ctx context.Context, at stack.Addresses, want int) error {
	api := &remote{server: "http://" + at.HTTP, http: &http.Client{}}
	return every(ctx, 100*time.Millisecond, func() (bool, error) {
		doc, err := api.document(ctx, url.Values{"registry": {"demo"}}, "table", nil)
		if err != nil {
			return false, err
		}
		tags := map[string]bool{}
		for _, im := range doc.Images {
			if _, c := im.short(); c.State != plimsoll.ReadWaiting {
				tags[im.Reference] = true
			}
		}
		return len(tags) >= want, nil
	})
}
