package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// writeTable writes a summary and a line a case, as Markdown.
func writeTable(w io.Writer, file string) error {
	all, err := readOutcomes(file)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range tools {
		if slices.ContainsFunc(all, func(o outcome) bool { return o.tool == t.name }) {
			names = append(names, t.name)
		}
	}
	text := summary(all, names) + "\n" + perCase(all, names)
	_, err = io.WriteString(w, text)
	return err
}

// summary is a line a tool.
func summary(all []outcome, names []string) string {
	var b strings.Builder
	b.WriteString("| tool | images | crash | over 60 s | over 4 GiB | an error and no report | a report and a word | silent clean | largest process, MiB |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range names {
		counts, most, total := map[string]int{}, int64(0), 0
		for _, o := range all {
			if o.tool != name || o.result == "-" {
				continue
			}
			total++
			counts[o.kind()]++
			most = max(most, o.mebibytes)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", name, total, counts["crash"], counts["timeout"], counts["memory"],
			counts["error"], counts["told"], counts["**silent clean**"], most)
	}
	return b.String()
}

func perCase(all []outcome, names []string) string {
	cells, want := map[string]map[string]string{}, map[string]string{}
	var order []string
	for _, o := range all {
		if cells[o.name] == nil {
			cells[o.name] = map[string]string{}
			order = append(order, o.name)
		}
		cells[o.name][o.tool], want[o.name] = o.cell(), o.want
	}
	slices.SortStableFunc(order, func(a, b string) int { return rowNumber(a) - rowNumber(b) })
	var b strings.Builder
	fmt.Fprintf(&b, "| case | wanted | %s |\n|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, name := range order {
		fmt.Fprintf(&b, "| %s | %s |", escaped(name), escaped(want[name]))
		for _, tool := range names {
			fmt.Fprintf(&b, " %s |", cells[name][tool])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// kind is an outcome in a word: how the process ended, or "told" for a report with a word about what was not read.
func (o outcome) kind() string {
	switch {
	case o.silent():
		return "**silent clean**"
	case o.warned && o.result == "ok":
		return "told"
	}
	return o.result
}

// exitShort is plimsoll's exit code when reading fell short.
const exitShort = 2

// cell is a tool's answer in a word or two, and the memory of its largest process in MiB.
func (o outcome) cell() string {
	word := o.kind()
	switch {
	case word == "-":
		return "–"
	case word == "crash" || word == "timeout" || word == "memory":
		word = "**" + word + "**"
	}
	if o.lacks > 0 && o.result == "ok" {
		word += ", lacks " + strconv.Itoa(o.lacks)
	}
	return fmt.Sprintf("%s %d", word, o.mebibytes)
}

func rowNumber(name string) int {
	row, _, _ := strings.Cut(name, " ")
	n, err := strconv.Atoi(strings.TrimPrefix(row, "H"))
	if err != nil {
		return 0
	}
	return n
}

func escaped(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
