package driver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Secret reads a secret by name, at the moment of use: from the environment variable env, or from the file at path file. Both
// empty means that none is configured: an empty string. White space around it is dropped. A name that leads to nothing,
// or to something that can not be a token (a line break, a NUL), is [Refused]; the error has the name, never the value.
func Secret(env, file string) (string, error) {
	switch {
	case env != "" && file != "":
		return "", Refusef("a secret is named twice, by environment variable %s and by file %s: name one", Quote(env), Quote(file))
	case env != "":
		return token(os.Getenv(env), "environment variable "+Quote(env))
	case file != "":
		value, err := SecretFile(file)
		if err != nil {
			return "", err
		}
		return token(value, "file "+Quote(file))
	default:
		return "", nil
	}
}

// SecretFile reads a file with secrets in it, of at most 64 KiB. One that is not there, or may not be read, is [Refused].
func SecretFile(path string) (string, error) {
	const most = 64 << 10
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", Refusef("read a secret: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	if len(b) > most {
		return "", Refusef("the file %s is larger than %d bytes: this is no secret", Quote(path), most)
	}
	return string(b), nil
}

func token(value, from string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", Refusef("the %s, which should hold a secret, is empty or not set for this service", from)
	}
	if strings.ContainsAny(value, "\r\n\x00") {
		return "", Refusef("the %s should hold one secret and has several lines or a NUL", from)
	}
	return value, nil
}
