/*
 * Recipes of Apache Curator, each by two clients: a leader, a mutex, a cache, a node that lives while its owner does,
 * a shared count. In the middle it prints "restart" and waits for a line on its standard input: the server goes and
 * comes back, and all that the clients hold must be theirs still. Prints one line for each check; exits 0 when all
 * hold. usage: java CuratorRecipes HOST:PORT
 */
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.retry.RetryNTimes;

public class CuratorRecipes {
    private static final int WAIT_MS = 60000, TTL_MS = 3000;
    private static int failed;

    private static void check(boolean holds, String what) {
        System.out.println((holds ? "ok " : "FAIL ") + what);
        if (!holds)
            failed++;
    }

    private static void eventually(String what, Callable<Boolean> condition) throws Exception {
        long end = System.currentTimeMillis() + WAIT_MS;
        boolean holds;
        while (!(holds = condition.call()) && System.currentTimeMillis() < end)
            Thread.sleep(10);
        check(holds, what);
    }

    private static CuratorFramework client(String hosts) throws Exception {
        CuratorFramework c = CuratorFrameworkFactory.newClient(hosts, 30000, 10000, new RetryNTimes(100, 100));
        c.start();
        check(c.blockUntilConnected(60, TimeUnit.SECONDS), "connected");
        return c;
    }

    private static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    /* What a cache of /cached has been told. */
    private static final class Seen implements CuratorCacheListener {
        final List<String> events = Collections.synchronizedList(new ArrayList<>());
        volatile boolean initialized;

        @Override
        public void event(Type type, org.apache.curator.framework.recipes.cache.ChildData old,
                          org.apache.curator.framework.recipes.cache.ChildData data) {
            events.add(type + " " + (data != null ? data : old).getPath());
        }

        @Override
        public void initialized() {
            initialized = true;
        }
    }

    private static void mutexes(CuratorFramework one, CuratorFramework two, int turns) throws Exception {
        AtomicInteger inside = new AtomicInteger(), sum = new AtomicInteger(), overlaps = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (CuratorFramework c : List.of(one, two, one, two)) {
            InterProcessMutex mutex = new InterProcessMutex(c, "/mutex");
            threads.add(new Thread(() -> {
                try {
                    for (int i = 0; i < turns; i++) {
                        mutex.acquire();
                        if (inside.incrementAndGet() != 1)
                            overlaps.incrementAndGet();
                        sum.incrementAndGet();
                        inside.decrementAndGet();
                        mutex.release();
                    }
                } catch (Exception e) {
                    e.printStackTrace();
                }
            }));
        }
        for (Thread t : threads)
            t.start();
        for (Thread t : threads)
            t.join(WAIT_MS);
        check(sum.get() == 4 * turns && overlaps.get() == 0, "mutex: one at a time, each in turn");
    }

    private static void counts(SharedCount one, SharedCount two, int turns) throws Exception {
        int before = one.getCount();
        List<Thread> threads = new ArrayList<>();
        for (SharedCount count : List.of(one, two)) {
            threads.add(new Thread(() -> {
                try {
                    for (int done = 0; done < turns;) {
                        VersionedValue<Integer> v = count.getVersionedValue();
                        if (count.trySetCount(v, v.getValue() + 1))
                            done++;
                    }
                } catch (Exception e) {
                    e.printStackTrace();
                }
            }));
        }
        for (Thread t : threads)
            t.start();
        for (Thread t : threads)
            t.join(WAIT_MS);
        eventually("count: no increment is lost",
                   () -> one.getCount() == before + 2 * turns && two.getCount() == before + 2 * turns);
    }

    private static void transactions(CuratorFramework c) throws Exception {
        List<CuratorTransactionResult> results = c.transaction().forOperations(
            c.transactionOp().create().forPath("/tx", bytes("1")),
            c.transactionOp().setData().withVersion(0).forPath("/tx", bytes("2")),
            c.transactionOp().check().withVersion(1).forPath("/tx"),
            c.transactionOp().delete().withVersion(1).forPath("/tx"));
        check(results.size() == 4 && results.get(1).getResultStat().getVersion() == 1, "transaction");
        check(c.checkExists().forPath("/tx") == null, "its outcome");
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        CuratorFramework one = client(args[0]), two = client(args[0]);

        LeaderLatch first = new LeaderLatch(one, "/leader", "one"), second = new LeaderLatch(two, "/leader", "two");
        first.start();
        eventually("latch: the first leads", first::hasLeadership);
        second.start();
        eventually("latch: both take part", () -> one.getChildren().forPath("/leader").size() == 2);
        check(!second.hasLeadership(), "latch: the second waits");

        one.create().forPath("/cached", bytes("0"));
        CuratorCache cache = CuratorCache.build(two, "/cached");
        Seen seen = new Seen();
        cache.listenable().addListener(seen);
        cache.start();
        eventually("cache: begun", () -> seen.initialized);
        /* A cache reads what an event names: it may miss what lives only until the next one, with any server. */
        one.create().forPath("/cached/a", bytes("1"));
        one.create().creatingParentsIfNeeded().forPath("/cached/b/deep", bytes("2"));
        eventually("cache: told of what is created", () -> seen.events.containsAll(List.of(
            "NODE_CREATED /cached/a", "NODE_CREATED /cached/b", "NODE_CREATED /cached/b/deep")));
        one.setData().forPath("/cached/a", bytes("3"));
        one.delete().forPath("/cached/b/deep");
        eventually("cache: told of what changes and goes", () -> seen.events.containsAll(List.of(
            "NODE_CHANGED /cached/a", "NODE_DELETED /cached/b/deep")));
        eventually("cache: holds what is there", () -> cache.get("/cached/a").isPresent()
            && new String(cache.get("/cached/a").get().getData()).equals("3") && cache.get("/cached/b/deep").isEmpty());

        PersistentTtlNode kept = new PersistentTtlNode(one, "/kept", TTL_MS, bytes("k"));
        kept.start();
        check(kept.waitForInitialCreate(60, TimeUnit.SECONDS), "ttl: created");
        check(one.checkExists().forPath("/kept") != null, "ttl: there");

        SharedCount mine = new SharedCount(one, "/count", 7), yours = new SharedCount(two, "/count", 0);
        mine.start();
        yours.start();
        check(mine.getCount() == 7 && yours.getCount() == 7, "count: begins as the first says");
        counts(mine, yours, 20);
        mutexes(one, two, 10);
        transactions(one);

        InterProcessMutex held = new InterProcessMutex(one, "/held");
        held.acquire();
        System.out.println("restart");
        in.readLine();
        eventually("restart: the latch's leader leads again, alone", () -> first.hasLeadership() != second.hasLeadership());
        check(one.getChildren().forPath("/leader").size() == 2, "restart: both take part");
        check(!new InterProcessMutex(two, "/held").acquire(300, TimeUnit.MILLISECONDS), "restart: the mutex is held");
        held.release();
        InterProcessMutex taken = new InterProcessMutex(two, "/held");
        check(taken.acquire(60, TimeUnit.SECONDS), "restart: the mutex can be taken");
        taken.release();
        one.create().forPath("/cached/after", bytes("4"));
        eventually("restart: the cache is told", () -> seen.events.contains("NODE_CREATED /cached/after"));
        counts(mine, yours, 5);
        mutexes(one, two, 3);

        Thread.sleep(TTL_MS + 1500);
        check(one.checkExists().forPath("/kept") != null, "ttl: kept while its owner lives");
        kept.close();
        LeaderLatch leader = first.hasLeadership() ? first : second, other = leader == first ? second : first;
        leader.close();
        eventually("latch: the other leads when the leader goes", other::hasLeadership);
        other.close();
        cache.close();
        two.close();
        one.close();
        System.out.println(failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
