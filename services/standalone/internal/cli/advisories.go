package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/services/reporter"
	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

func (a *app) advisories() *cobra.Command {
	return group("advisories", "See, update and add to what is known about flaws",
		a.advisoriesStatus(), a.advisoriesUpdate(), a.advisoriesAdd(), a.advisoriesBundle())
}

func (a *app) advisoriesUpdate() *cobra.Command {
	var accept bool
	c := &cobra.Command{
		Use:   "update",
		Short: "Have a running Plimsoll look at its feeds now",
		Long: `Has a running Plimsoll look at its feeds now.

A feed that lost more than 2 % of its records at once, or went back in time, is stopped, and keeps its last good state: such an
export is more often broken than true. Look at it, and where it is true, take it with --accept.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Generation string `json:"generation"`
				Changed    bool   `json:"changed"`
			}
			if err := a.change(cmd.Context(), "/api/v1/advisories/update", map[string]bool{"accept": accept}, &answer); err != nil {
				return err
			}
			word := "unchanged"
			if answer.Changed {
				word = "new; every verdict is formed again"
			}
			fmt.Fprintf(a.out, "generation %s: %s\n", answer.Generation, word)
			return nil
		},
	}
	c.Flags().BoolVar(&accept, "accept", false, "take feeds too that were stopped because they lost records or went back in time")
	return c
}

// feed is one row of /api/v1/coverage/feeds as far as it is shown.
type feed struct {
	Ecosystem string    `json:"ecosystem"`
	Records   int       `json:"records"`
	Skipped   int       `json:"skipped"`
	Changed   time.Time `json:"changed"`
	Checked   time.Time `json:"checked"`
	Limit     string    `json:"limit"`
	State     string    `json:"state"` // fresh or what is wrong
	Error     string    `json:"error"`
}

func (a *app) advisoriesStatus() *cobra.Command {
	return a.past(&cobra.Command{
		Use:   "status",
		Short: "Show the generation and its feeds; exit 0 only if all are fresh",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var status struct {
				Generation string `json:"generation"`
			}
			var feeds struct {
				Items []feed `json:"items"`
			}
			if err := cmp.Or(c.get(cmd.Context(), "/api/v1/status", nil, &status), c.get(cmd.Context(), "/api/v1/coverage/feeds", nil, &feeds)); err != nil {
				return err
			}
			return a.showFeeds(status.Generation, feeds.Items)
		},
	})
}

func (a *app) showFeeds(generation string, feeds []feed) error {
	p, bad := text.NewPrinter(a.out), 0
	p.Line("generation %s", cmp.Or(generation, "none: no advisories have been read"))
	p.Line("%s", p.Paint(text.Bold, fmt.Sprintf("%-28s %9s %8s  %-16s  %-16s  %6s  %s", "FEED", "RECORDS", "SKIPPED", "CHANGED", "CHECKED", "LIMIT", "STATE")))
	for _, f := range feeds {
		if f.State != "fresh" {
			bad++
		}
		p.Line("%s %9s %8s  %-16s  %-16s  %6s  %s", text.Pad(p.Short(f.Ecosystem, 28), 28), text.Count(f.Records), text.Count(f.Skipped),
			minute(f.Changed), minute(f.Checked), f.Limit, f.State)
	}
	for _, f := range feeds {
		if f.Error != "" {
			p.Line("%s: %s", text.Clean(f.Ecosystem), text.Clean(f.Error))
		}
	}
	code := 0
	if bad > 0 || generation == "" {
		code = exitShort
	}
	p.Line("exit %d: %d of %d feeds fresh", code, len(feeds)-bad, len(feeds))
	return cmp.Or(p.Err(), exitOf(code))
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// maxOwnFile bounds a file of our own advisories, in bytes, as the server does.
const maxOwnFile = 4 << 20

func (a *app) advisoriesAdd() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "add FILE",
		Short: "Add our own advisories, in OSV's schema with an id PLIM-…; FILE - reads standard input",
		Long: `Adds our own advisories: one record in OSV's schema with an id "PLIM-…", or a list of them. Each is kept as the next
version of its id, is in force at once, and joins with a public record that names it or one of its aliases. A record with
"withdrawn" takes an earlier one back.

With --data they go straight into the bucket below that folder, whether or not a Plimsoll runs there; else to a running one.`,
		Example: `  plimsoll advisories add xz-backdoor.json
  plimsoll advisories add xz-backdoor.json --data ./plimsoll-data`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.ownFile(args[0])
			if err != nil {
				return exit{exitUsage, err.Error()}
			}
			var answer struct {
				IDs        []string `json:"ids"`
				Generation string   `json:"generation"`
			}
			if data != "" {
				answer.IDs, answer.Generation, err = a.addLocally(cmd.Context(), data, file)
			} else {
				err = a.change(cmd.Context(), "/api/v1/advisories/own", json.RawMessage(file), &answer)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: in force with generation %s\n", strings.Join(answer.IDs, ", "), answer.Generation)
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", "", "folder of the embedded bucket to add to (default: ask a running Plimsoll, --server)")
	return c
}

// ownFile reads a file of our own advisories. What is no JSON at all is said here: a request could not carry it.
func (a *app) ownFile(name string) ([]byte, error) {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxOwnFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxOwnFile:
		return nil, fmt.Errorf("%s: more than %d bytes; is it the right file?", name, maxOwnFile)
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, new(any)); errors.As(err, &syntax) {
		return nil, fmt.Errorf("%s: line %d: no JSON: %w", name, 1+strings.Count(string(b[:min(int(syntax.Offset), len(b))]), "\n"), err)
	}
	return b, nil
}

func (a *app) addLocally(ctx context.Context, data string, file []byte) (ids []string, generation string, err error) {
	if err := absolute(&data); err != nil {
		return nil, "", err
	}
	log, err := a.logger()
	if err != nil {
		return nil, "", err
	}
	bucket, stop, err := localBucket(ctx, data, log)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return reporter.AddAdvisories(ctx, bucket, filepath.Join(data, "index"), file, localActor())
}

// localBucket opens the embedded bucket below a folder, beside whatever else uses it.
func localBucket(ctx context.Context, data string, log *slog.Logger) (c blob.Config, stop func() error, err error) {
	e, err := engine.Start(ctx, engine.Options{Data: data, Transient: true, Log: log})
	if err != nil {
		return c, nil, err
	}
	c = blob.Config{Endpoint: e.S3.Endpoint, Bucket: e.S3.Bucket, Region: e.S3.Region, AccessKey: e.S3.AccessKey, SecretKey: e.S3.SecretKey}
	return c, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), localStop)
		defer cancel()
		return e.Stop(ctx)
	}, nil
}

// localStop bounds the end of the embedded engines.
const localStop = 15 * time.Second

// localActor names who types, for the change log.
func localActor() string {
	if u, err := user.Current(); err == nil {
		return "local " + u.Username
	}
	return "local"
}

func (a *app) advisoriesBundle() *cobra.Command {
	var o struct {
		config, advisories, output, key string
		newKey                          bool
	}
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Write every feed into one signed file, for a site without a way out",
		Long: `Reads every feed of --advisories, with what is said of exploitation there, checks it record by record, and writes all into one
file that is signed with an Ed25519 key. The same feeds give the same file. The other site reads it with

  plimsoll up --advisories FILE.bundle --bundle-key KEY.pub

and looks at the file again with every update, so that a newer one may take its place. One that knows less than what stands
there is refused without --allow-older.`,
		Example: `  plimsoll advisories bundle --new-key --key bundle.key
  plimsoll advisories bundle --advisories https://osv-vulnerabilities.storage.googleapis.com --output osv.bundle --key bundle.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.key == "" {
				return exit{exitUsage, "--key: name the file of the key"}
			}
			if o.newKey {
				return a.newBundleKey(o.key)
			}
			if o.output == "" {
				return exit{exitUsage, "--output: name the file to write, as osv.bundle"}
			}
			f, err := readConfig(o.config)
			if err != nil {
				return err
			}
			set(&f.Reporter.Advisories, o.advisories)
			if f.Reporter.Advisories == "" {
				return exit{exitUsage, "--advisories: name the folder or URL whose feeds the bundle is to hold"}
			}
			return a.writeBundle(cmd.Context(), f, o.output, o.key)
		},
	}
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "configuration file")
	f.StringVar(&o.advisories, "advisories", "", "folder or URL in the layout of osv.dev's bucket")
	f.StringVar(&o.output, "output", "", "file to write")
	f.StringVar(&o.key, "key", "", "file with the private key (Ed25519, PEM)")
	f.BoolVar(&o.newKey, "new-key", false, "make a key in --key, and its public half beside it as .pub")
	return c
}

func (a *app) newBundleKey(file string) error {
	private, public, err := reporter.NewBundleKey()
	if err != nil {
		return err
	}
	for _, w := range []struct {
		name string
		b    []byte
		mode os.FileMode
	}{{file, private, 0o600}, {file + ".pub", public, 0o644}} {
		f, err := os.OpenFile(w.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, w.mode)
		if err != nil {
			return exit{exitUsage, fmt.Sprintf("--key: %v", err)}
		}
		_, err = f.Write(w.b)
		if err := errors.Join(err, f.Close()); err != nil {
			return exit{exitUsage, fmt.Sprintf("--key: %v", err)}
		}
	}
	fmt.Fprintf(a.out, "%s signs bundles: keep it secret. Give %s to the sites that read them.\n", file, file+".pub")
	return nil
}

// writeBundle writes under another name first: a bundle that is cut short must not take the place of a whole one.
func (a *app) writeBundle(ctx context.Context, f config.File, output, key string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(output), "."+filepath.Base(output)+"-*")
	if err != nil {
		return exit{exitUsage, fmt.Sprintf("--output: %v", err)}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	log, err := a.logger()
	if err != nil {
		return errors.Join(err, tmp.Close())
	}
	date, err := reporter.BundleAdvisories(ctx, reporter.Config{Reporter: f.Reporter, Log: log}, tmp, key)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		if errors.Is(err, plimsoll.ErrInvalid) || errors.Is(err, plimsoll.ErrNotFound) {
			return exit{exitUsage, err.Error()}
		}
		return err
	}
	if err := os.Rename(tmp.Name(), output); err != nil {
		return exit{exitUsage, fmt.Sprintf("--output: %v", err)}
	}
	fmt.Fprintf(a.out, "%s: what is known until %s\n", output, minute(date))
	return nil
}
