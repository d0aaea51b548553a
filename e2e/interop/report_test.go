package interop

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A report gathers what the tests saw. Tests run side by side, so it locks.
type report struct {
	mu     sync.Mutex
	tables []*table
	delays []delay
}

// A table has a row for each program and a column for each case, in the order in
// which they are named.
type table struct {
	title   string
	columns []string
	rows    map[string]map[string]string // by program and column
}

// A delay is from the revocation's command to the first refusal.
type delay struct {
	program, by string
	took        time.Duration
}

// tables that docs/interop.md has, in this order.
const (
	servers  = "Servers"
	browsers = "Browsers"
)

// say fills one cell: what the program did in that case, in a few words.
func (r *report) say(title, program, column, words string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table(title)
	if !slices.Contains(t.columns, column) {
		t.columns = append(t.columns, column)
	}
	if t.rows[program] == nil {
		t.rows[program] = map[string]string{}
	}
	t.rows[program][column] = words
}

// order names a table's cases as they shall stand, whichever is seen first.
func (r *report) order(title string, columns ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.table(title); len(t.columns) == 0 {
		t.columns = columns
	}
}

func (r *report) table(title string) *table {
	for _, t := range r.tables {
		if t.title == title {
			return t
		}
	}
	t := &table{title: title, rows: map[string]map[string]string{}}
	r.tables = append(r.tables, t)
	return t
}

// refusedAfter notes how long a program took to obey, and by what it learnt.
func (r *report) refusedAfter(program, by string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delays = append(r.delays, delay{program, by, took})
}

func (r *report) markdown() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out bytes.Buffer
	out.WriteString("# Interop: what was seen\n\n" +
		"Written by `make interop`, which starts the real programs with the files of [servers/](servers/README.md) as they stand, beside a\n" +
		"real `signetd` and `signet crl`. Every ✓ is a check that fails the run when it does not hold.\n")
	slices.SortStableFunc(r.tables, func(a, b *table) int { return strings.Compare(b.title, a.title) })
	for _, t := range r.tables {
		t.markdown(&out)
	}
	r.delaysMarkdown(&out)
	return out.Bytes()
}

// markdown has programs as columns and cases as rows: there are more cases, and
// their words are long.
func (t *table) markdown(out *bytes.Buffer) {
	programs := make([]string, 0, len(t.rows))
	for name := range t.rows {
		programs = append(programs, name)
	}
	slices.SortFunc(programs, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	fmt.Fprintf(out, "\n## %s\n\n| case | %s |\n|%s\n", t.title, strings.Join(programs, " | "),
		strings.Repeat(" --- |", len(programs)+1))
	for _, column := range t.columns {
		fmt.Fprintf(out, "| %s |", column)
		for _, program := range programs {
			words := "–"
			if said, ok := t.rows[program][column]; ok {
				words = "✓ " + said
			}
			fmt.Fprintf(out, " %s |", strings.ReplaceAll(words, "|", "\\|"))
		}
		out.WriteString("\n")
	}
}

func (r *report) delaysMarkdown(out *bytes.Buffer) {
	if len(r.delays) == 0 {
		return
	}
	out.WriteString("\n## From `signetd cert revoke` to the first refusal\n\n" +
		"The time from the start of the command to the end of the first connection that was refused; a new connection is tried every 20 ms.\n" +
		"One program at a time, beside the CA and the agent on one machine.\n\n" +
		"| program | the agent learns by | refused after |\n| --- | --- | --- |\n")
	slices.SortFunc(r.delays, func(a, b delay) int {
		return strings.Compare(strings.ToLower(a.program+a.by), strings.ToLower(b.program+b.by))
	})
	for _, d := range r.delays {
		fmt.Fprintf(out, "| %s | %s | %.2f s |\n", d.program, d.by, d.took.Seconds())
	}
}
