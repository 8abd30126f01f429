/** The tables of who may do what hang together, and with the contract. */
import { describe, expect, test } from "vitest";
import { COURSE_ROLES, PERMISSIONS, type Reach, RULES } from "../../api/auth/policy.ts";
import { contractMethods } from "../support/contract.ts";

const RANK: Record<Reach, number> = { none: 0, own: 1, all: 2 };

test("every method of the contract has a row, and no other", () => {
  const rows = Object.entries(RULES).flatMap(([service, methods]) =>
    Object.keys(methods).map((name) => `${service}/${name}`),
  );
  const methods = contractMethods.map((method) => `${method.parent.name}/${method.name}`);
  expect(methods.length).toBeGreaterThan(70);
  expect(rows.sort()).toEqual(methods.sort());
});

describe.each(Object.entries(PERMISSIONS))("%s", (_, permission) => {
  test("a higher role reaches what a lower one does", () => {
    const reaches = COURSE_ROLES.map((role) => RANK[permission[role]]);
    expect(reaches).toEqual(reaches.toSorted());
  });
});
