// Command hostile writes the corpus of hostile images: each case as an OCI layout of its own, for any tool that reads images.
//
//	hostile [-large] [-row H37] [-together] DIR
//
// DIR then holds a folder a case (oci-layout, index.json, blobs), and cases.tsv, which says of each case the row of the catalogue, the
// folder, its name, the outcome that a scanner owes, and the packages that it must find all the same:
//
//	row	folder	name	want	analyzer	holds
//
// With -together DIR is one layout of all cases, each under its folder's name as tag.
//
// Outcomes: "ok" (read like any other), "partial" (read as far as it goes, and said so), "refused" (nothing of it is believed, and
// said so), "no image" (told to be something else), "ok|partial" (either). The small forms take about 200 MB on disk; -large adds the
// cases whose point is their size (a bomb of 10 GB, three million files …), about 250 MB more, which inflate to 30 GB. The same command
// writes the same bytes on every machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

func main() {
	large := flag.Bool("large", false, "add the cases whose point is their size")
	row := flag.String("row", "", "only this row of the catalogue, as H37; empty: all")
	together := flag.Bool("together", false, "write one layout of all cases")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: hostile [-large] [-row ROW] [-together] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(flag.Arg(0), *large, *row, *together); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func write(dir string, large bool, row string, together bool) error {
	all := imagetest.Specimens()
	if large {
		all = append(all, imagetest.LargeSpecimens()...)
	}
	if row != "" {
		all = slices.DeleteFunc(all, func(s imagetest.Specimen) bool { return s.Row() != row })
	}
	if together {
		if err := imagetest.WriteLayout(dir, all...); err != nil {
			return err
		}
	}
	var table strings.Builder
	table.WriteString("row\tfolder\tname\twant\tanalyzer\tholds\n")
	for _, s := range all {
		if !together {
			if err := imagetest.WriteLayout(filepath.Join(dir, s.Slug()), s); err != nil {
				return err
			}
		}
		fmt.Fprintf(&table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Row(), s.Slug(), s.Name, s.Want, s.Analyzer, strings.Join(s.Holds, ", "))
	}
	if err := os.WriteFile(filepath.Join(dir, "cases.tsv"), []byte(table.String()), 0o644); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	return nil
}
