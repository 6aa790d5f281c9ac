package Server;

# What the three servers share: one process, one loop, requests taken when they are complete. Perl's own base is enough.

use strict;
use warnings;
use Errno qw(EINTR);
use Socket;

our $LIMIT = 8192;    # bytes that a request may have

# listens($port, complete => sub { ... }, answer => sub { ... })
#
# `complete` gets the bytes so far and returns the length of the first request in them, 0 for not yet, -1 for a request
# that is refused. `answer` gets the request, or undef for a refused one, and returns the reply and whether to close.
sub listens {
    my ($port, %do) = @_;
    my $address = $ENV{MUSTER_ADDRESS} or die "MUSTER_ADDRESS is not set: start me on a node, or name an address\n";
    my $name = $ENV{MUSTER_NODE} || 'server';
    $| = 1;
    local $SIG{PIPE} = 'IGNORE';

    socket(my $listener, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
    setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1) or die "SO_REUSEADDR: $!\n";
    bind($listener, sockaddr_in($port, inet_aton($address))) or die "$name: cannot listen on $address:$port: $!\n";
    listen($listener, 128) or die "listen: $!\n";
    print "$name listens on $address:$port\n";

    my %clients;    # descriptor => [socket, bytes so far]
    while (1) {
        my $wanted = '';
        vec($wanted, $_, 1) = 1 for fileno($listener), keys %clients;
        my $found = select(my $ready = $wanted, undef, undef, undef);
        next if $found < 0 && $! == EINTR;
        die "select: $!\n" if $found < 0;
        if (vec($ready, fileno($listener), 1) && accept(my $client, $listener)) {
            $clients{ fileno($client) } = [$client, ''];
        }
        for my $number (grep { vec($ready, $_, 1) } keys %clients) {
            my $entry = $clients{$number} or next;
            my $count = sysread($entry->[0], $entry->[1], 65536, length $entry->[1]);
            delete $clients{$number} if !$count || !serve($entry, \%do);
        }
    }
}

# Answers what is complete; false when the connection is to end.
sub serve {
    my ($entry, $do) = @_;
    while (my $length = $do->{complete}->($entry->[1])) {
        my $request = $length > 0 ? substr($entry->[1], 0, $length, '') : undef;
        my ($reply, $close) = $do->{answer}->($request);
        return 0 if !sends($entry->[0], $reply) || $close;
    }
    return 1;
}

sub sends {
    my ($socket, $bytes) = @_;
    while (length $bytes) {
        my $count = syswrite($socket, $bytes);
        return 0 if !$count;
        substr($bytes, 0, $count, '');
    }
    return 1;
}

# A connection to somebody else's server; undef, with the reason in $!, when there is none within two seconds.
sub connects {
    my ($address, $port) = @_;
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or return undef;
    my $two_seconds = pack('l!l!', 2, 0);
    setsockopt($socket, SOL_SOCKET, $_, $two_seconds) for SO_SNDTIMEO, SO_RCVTIMEO;
    connect($socket, sockaddr_in($port, inet_aton($address))) or return undef;
    return $socket;
}

# One HTTP request for each connection: simple, and enough here.
sub http {
    my ($port, $answer) = @_;
    my $complete = sub {
        my $end = index($_[0], "\r\n\r\n");
        return -1 if ($end >= 0 ? $end : length $_[0]) > $LIMIT;
        return $end >= 0 ? $end + 4 : 0;
    };
    listens($port, complete => $complete, answer => sub {
        my ($request) = @_;
        return (response(431, "the request is longer than $LIMIT bytes\n"), 1) if !defined $request;
        my ($method, $target) = $request =~ m{^([A-Z]+) (/\S*) HTTP/1\.[01]\r\n}
            or return (response(400, "this is no HTTP request\n"), 1);
        return ($answer->($method, $target, $request), 1);
    });
}

my %REASONS = (
    200 => 'OK', 400 => 'Bad Request', 401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found',
    405 => 'Method Not Allowed', 431 => 'Request Header Fields Too Large', 502 => 'Bad Gateway',
    503 => 'Service Unavailable',
);

sub response {
    my ($status, $body) = @_;
    my $node = $ENV{MUSTER_NODE} || '-';
    return "HTTP/1.1 $status $REASONS{$status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
        . length($body) . "\r\nConnection: close\r\nX-Node: $node\r\n\r\n$body";
}

# `a=1&b=2` as a hash.
sub query {
    my ($text) = @_;
    my %values;
    for (split /&/, defined $text ? $text : '') {
        my ($key, $value) = split /=/, $_, 2;
        $value = '' if !defined $value;
        s/\+/ /g, s/%([0-9A-Fa-f]{2})/chr hex $1/ge for $key, $value;
        $values{$key} = $value;
    }
    return %values;
}

1;
