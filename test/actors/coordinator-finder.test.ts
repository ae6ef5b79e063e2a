// Who looks for the active coordinator finds it: by hints, and by asking one after the other.

import { expect, test } from 'vitest'
import {
  avoidCoordinator,
  coordinatorOf,
  followController,
  learnFrom,
  newCoordinatorFinder,
  nextCoordinator,
  replaceCoordinators,
} from '../../actors/coordinator-finder.ts'

test('the first node is asked first, and the others in turn when nobody answers', () => {
  const finder = newCoordinatorFinder([0, 1, 2])
  const asked = [0, 0, 0, 0].map(() => {
    const { node } = coordinatorOf(finder)
    nextCoordinator(finder)
    return node
  })
  expect(asked).toEqual([0, 1, 2, 0])
})

test('a coordinator that does not lead names the one that does', () => {
  const finder = newCoordinatorFinder([0, 1, 2])
  followController(finder, 0, 2)
  expect(finder.current).toBe(2)
  followController(finder, 0, 1)
  expect(finder.current).toBe(2)
  followController(finder, 2, -1)
  expect(finder.current).toBe(0)
})

test('a node that is dead is avoided', () => {
  const finder = newCoordinatorFinder([0, 1])
  expect(avoidCoordinator(finder, 1)).toBe(false)
  expect(avoidCoordinator(finder, 0)).toBe(true)
  expect(finder.current).toBe(1)
})

test('a node that has just died is passed over once, and asked again after that', () => {
  const finder = newCoordinatorFinder([0, 1, 2])
  avoidCoordinator(finder, 0)
  const asked = [0, 0, 0, 0, 0].map(() => {
    const { node } = coordinatorOf(finder)
    nextCoordinator(finder)
    return node
  })
  expect(asked).toEqual([1, 2, 1, 2, 0])
  const other = newCoordinatorFinder([2, 1])
  avoidCoordinator(other, 2)
  followController(other, 1, 2)
  expect(other.current).toBe(2)
})

test('begins again with the nodes that it was given when all that are known are silent', () => {
  const finder = newCoordinatorFinder([0, 1, 2])
  learnFrom(finder, { controller: 2, voters: [2] })
  const asked = Array.from({ length: 4 }, () => {
    nextCoordinator(finder)
    return coordinatorOf(finder).node
  })
  expect(asked).toEqual([2, 0, 1, 2])
})

test('begins again with those who vote by the last news, for the nodes that it was given may be no more', () => {
  const finder = newCoordinatorFinder([0, 1])
  replaceCoordinators(finder, [])
  expect(finder.current).toBe(0)
  replaceCoordinators(finder, [3, 4])
  const asked = Array.from({ length: 6 }, () => {
    const { node } = coordinatorOf(finder)
    nextCoordinator(finder)
    return node
  })
  expect(asked).toEqual([3, 4, 3, 4, 3, 4])
})

test('comes to the active one although a voter of the past names another one again and again', () => {
  const finder = newCoordinatorFinder([0, 1, 2])
  learnFrom(finder, { controller: 2, voters: [2, 0] })
  for (let asked = 0; finder.current !== 1; asked++) {
    expect(asked).toBeLessThan(20)
    if (finder.current === 2) avoidCoordinator(finder, 2)
    else followController(finder, 0, 2)
  }
})
