import type { Message } from '@bufbuild/protobuf';
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';

/**
 * A message of the protocol as plain data, derived from its two generated types: names in camelCase, 64-bit integers as numbers,
 * enum values as the words of the documentation (`'in_progress'`), times as `Date`, durations as milliseconds under a name that ends
 * in `Ms`, and a one-of as its set field beside a word that says which. What is absent is unknown.
 */
export type Plain<M, J> = Members<M, J> & Required<Pick<Members<M, J>, AlwaysThere<M> & keyof Members<M, J>>> & Oneofs<M, J>;

type Members<M, J> = Flat<{
  [K in keyof M as K extends `$${string}` ? never : IsOneof<M[K]> extends true ? never : Key<K, M[K]>]: Value<
    NonNullable<M[K]>,
    Member<J, K>
  >;
}>;

/** Messages that a daemon always sends inside others, although proto3 has no way to say so. */
interface AlwaysSent {
  'singletree.v1.Attempt': 'preparedAt';
  'singletree.v1.EngageKillSwitchResponse': 'killSwitch';
  'singletree.v1.GetStatusResponse': 'startedAt' | 'telemetry';
  'singletree.v1.Harness': 'capabilities';
  'singletree.v1.KillSwitch': 'at';
  'singletree.v1.Stop': 'at';
  'singletree.v1.Task': 'createdAt' | 'updatedAt' | 'workspace' | 'limits';
  'singletree.v1.TaskCompletionEvent': 'createdAt' | 'completedAt';
  'singletree.v1.TaskEvent': 'at';
  'singletree.v1.TelemetryDestination': 'traces' | 'metrics';
  'singletree.v1.WatchHeartbeat': 'at';
}

type AlwaysThere<M> = M extends Message<infer Name> ? (Name extends keyof AlwaysSent ? AlwaysSent[Name] : never) : never;

type Flat<T> = { [K in keyof T]: T[K] };

/** The type of a member, which is absent from neither of the generated types. */
type Member<J, K> = K extends keyof J ? NonNullable<J[K]> : never;

type Key<K, F> = NonNullable<F> extends Duration ? `${K & string}Ms` : K;

type Value<F, J> = F extends bigint
  ? number
  : F extends Uint8Array
    ? F
    : F extends Timestamp
      ? Date
      : F extends Duration
        ? number
        : F extends Message
          ? Plain<F, J>
          : F extends readonly (infer Item)[]
            ? Value<Item, J extends readonly (infer ItemJson)[] ? ItemJson : never>[]
            : F extends number
              ? [J] extends [string]
                ? Word<J>
                : number
              : F extends string | boolean
                ? F
                : { [Name in keyof F]: Value<F[Name], Member<J, Name>> };

/** `'TASK_STATE_IN_PROGRESS'` → `'in_progress'`. The value that every enum begins with tells the prefix. */
type Word<Name extends string, All extends string = Name> = Name extends `${Prefix<All>}_${infer Rest}`
  ? Exclude<Lowercase<Rest>, 'unspecified'>
  : never;
type Prefix<Name extends string> = Name extends `${infer Start}_UNSPECIFIED` ? Start : never;

type IsOneof<F> = [F] extends [{ case: string | undefined }] ? true : false;

type OneofKeys<M> = { [K in keyof M]-?: IsOneof<M[K]> extends true ? K : never }[keyof M];

type Oneofs<M, J> = [OneofKeys<M>] extends [never] ? unknown : Case<OneofKeys<M> & string, M[OneofKeys<M>], J>;

type Case<Name extends string, O, J> = O extends { case: infer C extends string; value: infer V }
  ? Flat<Record<Name, Snake<C>> & Record<C, Value<V, Member<J, C>>>>
  : Record<Name, 'unknown'>;

type Snake<S extends string> = S extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${Snake<Tail>}`
  : S;
