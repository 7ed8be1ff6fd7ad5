package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/standalone/internal/engine"
	"github.com/plimsoll/plimsoll/services/standalone/internal/house"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// place says which bucket a command works on: that of a configuration, or the embedded one under a data folder.
type place struct{ config, data string }

func (w *place) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.config, "config", "", "configuration file: its bucket, or the embedded one under its data folder")
	c.Flags().StringVar(&w.data, "data", "", "data folder with the embedded bucket (default ./plimsoll-data)")
}

// closeTimeout bounds the end of an embedded bucket.
const closeTimeout = 15 * time.Second

// use opens the bucket for f. alone asks for it without anybody else: of an embedded one that is made sure.
func (w place) use(ctx context.Context, a *app, alone bool, f func(*blob.Store) error) (err error) {
	conf, err := readConfig(w.config)
	if err != nil {
		return err
	}
	set(&conf.Data, w.data)
	b := conf.Bucket
	if b.Endpoint == "" || w.data != "" {
		if err := absolute(&conf.Data); err != nil {
			return err
		}
		log, err := a.logger()
		if err != nil {
			return err
		}
		s3, stop, err := engine.StartBucket(ctx, conf.Data, alone, log)
		if err != nil {
			return err
		}
		defer func() {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			err = errors.Join(err, stop(end))
		}()
		b = blob.Config{Endpoint: s3.Endpoint, Bucket: s3.Bucket, Region: s3.Region, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}
	}
	store, err := blob.Open(ctx, b)
	if err != nil {
		return err
	}
	defer store.Close()
	return f(store)
}

// actor is who stands in the change log for what a command does to the bucket itself.
func actor() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "plimsoll"
}

func (a *app) backup() *cobra.Command {
	var w place
	var without bool
	c := &cobra.Command{
		Use:   "backup TO",
		Short: "Write what nothing can derive again into one file, while the system runs",
		Long: `Writes the change log, policies, decisions, reports, advisories, the history of findings, tags, when images were seen in
use, and images with their inventories into the file TO. Everything may go on running. Facts of layers are not in it: layers are
read again when they are needed. Keep configuration, policy and token files yourself: they are no part of the bucket.`,
		Example: `  plimsoll backup --config plimsoll.yaml /backup/plimsoll-2026-11-29.tar
  plimsoll backup --data ./plimsoll-data --without-inventories /backup/small.tar`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := absolute(&args[0]); err != nil {
				return err
			}
			return w.use(cmd.Context(), a, false, func(s *blob.Store) error { return a.runBackup(cmd.Context(), s, args[0], without) })
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&without, "without-inventories", false, "leave out images and inventories: a small file; what registries still hold is read again after a restore")
	return c
}

func (a *app) runBackup(ctx context.Context, s *blob.Store, to string, without bool) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return exit{exitUsage, fmt.Sprintf("%s exists: name a file that does not, so that no backup is lost while another is made", to)}
	}
	// The file has its name only once it is whole.
	f, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	bar := newProgress(a.err)
	h, e, err := house.Backup(ctx, s, f, house.BackupOptions{WithoutInventories: without, Version: version, Progress: bar.objects})
	bar.clear()
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		return err
	}
	p := text.NewPrinter(a.out)
	p.Line("%s: %s, %s, as of %s", to, text.Plural(e.Objects, "object"), text.Bytes(e.Bytes), h.Made.Format("2006-01-02 15:04:05 UTC"))
	if len(e.Faults) == 0 {
		p.Line("exit 0: whole. Restore it with: plimsoll restore %s --data NEW", to)
		return p.Err()
	}
	for _, fault := range e.Faults {
		p.Line("  ✗ %s", text.Clean(fault))
	}
	p.Line("exit %d: %s damaged and not in it. What that costs: plimsoll fsck", exitShort, text.Plural(len(e.Faults), "object"))
	return exit{code: exitShort}
}

func (a *app) restore() *cobra.Command {
	var w place
	var o house.RestoreOptions
	c := &cobra.Command{
		Use:   "restore FROM",
		Short: "Bring a backup back into an empty bucket",
		Long: `Checks every object of the backup FROM before it writes the first. The bucket must be empty, or hold what a restore of the same
backup has left that was cut: it then goes on. Stop Plimsoll first; an embedded bucket that is in use is refused.`,
		Example: `  plimsoll restore --data ./plimsoll-new /backup/plimsoll-2026-11-29.tar && plimsoll up --data ./plimsoll-new`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := absolute(&args[0]); err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			return w.use(cmd.Context(), a, true, func(s *blob.Store) error { return a.runRestore(cmd.Context(), s, f, o) })
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&o.Replace, "replace", false, "delete what the bucket holds first, but for facts, images and inventories")
	return c
}

func (a *app) runRestore(ctx context.Context, s *blob.Store, f *os.File, o house.RestoreOptions) error {
	bar := newProgress(a.err)
	o.Actor, o.Progress = actor(), bar.objects
	r, err := house.Restore(ctx, s, f, o)
	bar.clear()
	if err != nil {
		return err
	}
	p := text.NewPrinter(a.out)
	p.Line("restored %s, %s, as of %s", text.Plural(r.End.Objects, "object"), text.Bytes(r.End.Bytes), r.Head.Made.Format("2006-01-02 15:04:05 UTC"))
	for _, fault := range r.End.Faults {
		p.Line("  ✗ was damaged when the backup was made: %s", text.Clean(fault))
	}
	if r.Reread > 0 {
		p.Line("%s: the next sweep reads them again; until then they have no verdict", text.Plural(r.Reread, "tag"))
	}
	p.Line("exit 0: what happened since the backup is not known. Next: plimsoll up, then plimsoll sweep start")
	return p.Err()
}

// objects shows how far work on the bucket has come.
func (p *progress) objects(what string, n int, _ int64) {
	if p.on {
		p.show(fmt.Sprintf("%s: %s", what, text.Plural(n, "object")))
	}
}

func (a *app) fsck() *cobra.Command {
	var w place
	var o house.CheckOptions
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Read every object of the bucket and say what is wrong, what that costs and what to do",
		Long: `Reads every object and compares it with its key, its sum and what it names: gaps in the change log, tags whose shards or
inventories are missing, generations without their packs. It may run beside everything else. --repair deletes what is wrong and
can be made again, and has tags read again whose inventories are missing; nothing else is ever changed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.use(cmd.Context(), a, false, func(s *blob.Store) error { return a.runFsck(cmd.Context(), s, o) })
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&o.Repair, "repair", false, "delete what is wrong and derivable; have tags read again whose inventories are missing")
	return c
}

func (a *app) runFsck(ctx context.Context, s *blob.Store, o house.CheckOptions) error {
	bar := newProgress(a.err)
	o.Actor, o.Progress = actor(), bar.objects
	r, err := house.Check(ctx, s, o)
	bar.clear()
	if err != nil {
		return err
	}
	p := text.NewPrinter(a.out)
	p.Line("%-28s %12s %12s", "PREFIX", "OBJECTS", "STORED")
	total, bytes := 0, int64(0)
	for _, prefix := range slices.Sorted(maps.Keys(r.Objects)) {
		total, bytes = total+r.Objects[prefix], bytes+r.Bytes[prefix]
		p.Line("%-28s %12s %12s", cmp.Or(prefix, "(none of ours)"), text.Count(r.Objects[prefix]), text.Bytes(r.Bytes[prefix]))
	}
	p.Line("%-28s %12s %12s", "all", text.Count(total), text.Bytes(bytes))
	for _, f := range r.Faults {
		mark := p.Paint(text.Red, "✗")
		if f.Repaired {
			mark = p.Paint(text.Green, "✓ repaired")
		}
		p.Line("")
		p.Line("%s %s", mark, text.Clean(f.Key))
		p.Line("    %s", text.Clean(f.What))
		p.Line("    costs: %s", f.Costs)
		if !f.Repaired {
			p.Line("    do:    %s", f.Do)
		}
	}
	if r.More > 0 {
		p.Line("… %s more", text.Count(r.More))
	}
	p.Line("")
	if r.Reread > 0 {
		p.Line("%s: the next sweep reads them again. Now: plimsoll sweep start", text.Plural(r.Reread, "tag"))
	}
	if r.Left > 0 {
		p.Line("exit %d: %s", exitShort, text.Plural(r.Left, "fault"))
		return exit{code: exitShort}
	}
	p.Line("exit 0: nothing is wrong")
	return p.Err()
}

func (a *app) gc() *cobra.Command {
	var w place
	var o house.CollectOptions
	days := int(house.DefaultKeep / (24 * time.Hour))
	c := &cobra.Command{
		Use:   "gc",
		Short: "Find what nobody needs in the bucket, and remove it when asked to",
		Long: `Finds facts, images, inventories, attempts and plans that no tag, no moment of the last --keep-days and no scan in flight names, and
marks them. Nothing is removed without --delete, and then only what this mark and one at least 7 days older name. It may run beside
everything else. What is not derivable is never removed.`,
		Example: `  plimsoll gc --dry-run
  plimsoll gc --config plimsoll.yaml --delete`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 1 {
				return exit{exitUsage, "--keep-days: want at least 1"}
			}
			o.Keep = time.Duration(days) * 24 * time.Hour
			return w.use(cmd.Context(), a, false, func(s *blob.Store) error { return a.runGC(cmd.Context(), s, o) })
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be marked and removed, and change nothing")
	c.Flags().BoolVar(&o.Delete, "delete", false, "remove what this mark and one at least 7 days older name")
	c.Flags().IntVar(&days, "keep-days", days, "days for which past moments stay whole")
	c.MarkFlagsMutuallyExclusive("dry-run", "delete")
	return c
}

func (a *app) runGC(ctx context.Context, s *blob.Store, o house.CollectOptions) error {
	bar := newProgress(a.err)
	o.Actor, o.Progress = actor(), bar.objects
	r, err := house.Collect(ctx, s, o)
	bar.clear()
	if err != nil {
		return err
	}
	p := text.NewPrinter(a.out)
	p.Line("%s named by tags, by the last %d days and by scans in flight", text.Plural(r.Images, "image"), int(o.Keep/(24*time.Hour)))
	cell := func(x house.Amount) string { return fmt.Sprintf("%s (%s)", text.Count(x.Objects), text.Bytes(x.Bytes)) }
	p.Line("%-14s %22s %22s %22s", "PREFIX", "THERE", "NOT NEEDED", "BY TWO MARKS")
	for _, prefix := range slices.Sorted(maps.Keys(r.All)) {
		p.Line("%-14s %22s %22s %22s", prefix, cell(r.All[prefix]), cell(r.Marked[prefix]), cell(r.Due[prefix]))
	}
	p.Line("%-14s %22s %22s %22s", "all", cell(house.Total(r.All)), cell(house.Total(r.Marked)), cell(house.Total(r.Due)))
	if r.Spared > 0 {
		p.Line("%s spared: a scan asked for them meanwhile", text.Plural(r.Spared, "object"))
	}
	if r.Reread > 0 {
		p.Line("%s without an inventory: the next sweep reads them again", text.Plural(r.Reread, "tag"))
	}
	switch due := house.Total(r.Due); {
	case o.DryRun:
		p.Line("exit 0: nothing was changed; --delete would remove %s", cell(due))
	case o.Delete:
		p.Line("exit 0: removed %s; what is not needed now may go from %s on", cell(house.Total(r.Deleted)), r.Next.Format("2006-01-02 15:04 UTC"))
	case due.Objects > 0:
		p.Line("exit 0: marked. Two marks name %s; remove it with: plimsoll gc --delete", cell(due))
	default:
		p.Line("exit 0: marked. What is not needed now may go from %s on", r.Next.Format("2006-01-02 15:04 UTC"))
	}
	return p.Err()
}
