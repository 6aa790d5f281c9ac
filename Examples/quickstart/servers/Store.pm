package Store;

# A client of servers/db: one connection, kept; one line asks, one line answers.

use strict;
use warnings;
use Server;

my $connection;

# The answer of the db, or undef for a key that is not there. Dies when the db cannot be asked.
sub ask {
    my ($address, @words) = @_;
    my $reply = exchange($address, "@words\n");
    # A connection that was kept may have ended meanwhile.
    $reply = exchange($address, "@words\n") if !defined $reply;
    die "the db at $address does not answer: $!\n" if !defined $reply;
    return $reply eq '-' ? undef : substr($reply, 1);
}

sub exchange {
    my ($address, $line) = @_;
    $connection ||= Server::connects($address, 5555);
    my $reply = '';
    if ($connection && Server::sends($connection, $line)) {
        while ($reply !~ /\n/) { last if !sysread($connection, $reply, 65536, length $reply) }
    }
    return $reply if chomp $reply;
    undef $connection;
    return undef;
}

1;
