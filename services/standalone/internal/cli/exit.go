package cli

// Exit codes of every command (DESIGN: command line; outside scripts rely on them).
const (
	exitFailed = 1 // a rule failed
	exitShort  = 2 // reading fell short, a sweep is red, a check did not pass
	exitUsage  = 3 // the command could not do its work: wrong use, a fault
)

// exit is an error that carries its code; its text was printed already where it is empty.
type exit struct {
	code int
	text string
}

func (e exit) Error() string { return e.text }
