// Command bench measures the posture engine and the lists over it: generated facts of 10,000, 100,000 and 1,000,000 images, each
// size in a process of its own. Make target: bench-reporter.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

var (
	verbose, processor bool
	profile            string
)

func main() {
	sizes := flag.String("images", "10000,100000", "sizes, separated by commas")
	seed := flag.Uint64("seed", 5, "of the generated facts")
	only := flag.Int("one", 0, "measure one size in this process and print JSON")
	markdown := flag.String("markdown", "", "file between whose marks the results are written")
	flag.BoolVar(&processor, "processor", false, "measure processor time instead of the clock's: where the machine has other work")
	flag.StringVar(&profile, "profile", "", "with -one: file for a CPU profile of what comes after the fold")
	flag.BoolVar(&verbose, "v", false, "print each page's time")
	flag.Parse()
	if err := run(context.Background(), *sizes, *seed, *only, *markdown); err != nil {
		fmt.Fprintln(os.Stderr, "bench-reporter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sizes string, seed uint64, only int, markdown string) error {
	if only > 0 {
		r, err := measure(ctx, only, seed)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	var all []result
	for _, text := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < hit {
			return fmt.Errorf("-images %q: want numbers of at least %d", text, hit)
		}
		fmt.Fprintf(os.Stderr, "bench-reporter: %d images\n", n)
		r, err := child(ctx, n, seed)
		if err != nil {
			return fmt.Errorf("%d images: %w", n, err)
		}
		all = append(all, r)
	}
	table := render(all)
	fmt.Print(table)
	if markdown == "" {
		return nil
	}
	return replace(markdown, table)
}

// child measures one size in a process of its own, so that memory is that size's alone.
func child(ctx context.Context, n int, seed uint64) (r result, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-one", strconv.Itoa(n), "-seed", strconv.FormatUint(seed, 10), "-v="+strconv.FormatBool(verbose), "-processor="+strconv.FormatBool(processor))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}
